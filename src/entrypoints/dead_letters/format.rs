//! Bodies for people.

use serde::de::IgnoredAny;
use similar::TextDiff;

use std::time::Duration;

use crate::entrypoints::decode::MAX_BODY_BYTES;
use crate::entrypoints::printable::printable;

/// The deepest JSON that is indented; a message that nests deeper is refused.
const MAX_LEVELS: usize = 32;

/// The longest look for a small difference; after it, a larger one will do.
const LOOK_FOR: Duration = Duration::from_millis(200);

/// A body as lines: JSON indented, each number and each text spelled as it came; anything else as it
/// is. What cannot be shown is shown as escapes.
pub fn readable(body: &[u8]) -> String {
    let text = indented(body).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// How two bodies differ, as a unified diff of what is [`readable`] of them. Empty when they differ
/// in blanks alone.
pub fn difference(old: (&str, &[u8]), new: (&str, &[u8])) -> String {
    let (old_text, new_text) = (readable(old.1), readable(new.1));
    let mut difference = TextDiff::configure();
    let difference = difference.timeout(LOOK_FOR).diff_lines(&old_text, &new_text);
    difference.unified_diff().missing_newline_hint(false).header(old.0, new.0).to_string()
}

/// JSON with a line for each value; none for what is not JSON, is too large or nests too deep.
///
/// Does not build the value: `10.50` would become another number, and a key that is there twice
/// would get lost.
pub fn indented(body: &[u8]) -> Option<String> {
    if body.len() > MAX_BODY_BYTES || serde_json::from_slice::<IgnoredAny>(body).is_err() {
        return None;
    }
    let mut lines = Indented::default();
    let mut in_text = false;
    let mut escaped = false;
    for c in std::str::from_utf8(body).ok()?.chars() {
        if in_text {
            lines.text.push(c);
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            in_text = c == '"';
            lines.push(c)?;
        }
    }
    Some(lines.text)
}

#[derive(Default)]
struct Indented {
    text: String,
    level: usize,
    /// The bracket before was one that opens, and nothing has come since.
    is_empty: bool,
}

impl Indented {
    /// Takes a character that is not within a text; none when it nests too deep.
    fn push(&mut self, c: char) -> Option<()> {
        if c.is_ascii_whitespace() {
            return Some(());
        }
        let was_empty = std::mem::replace(&mut self.is_empty, matches!(c, '{' | '['));
        match c {
            '}' | ']' => {
                self.level -= 1;
                if !was_empty {
                    self.new_line();
                }
            }
            _ if was_empty => self.new_line(),
            _ => {}
        }
        self.text.push(c);
        match c {
            '{' | '[' => self.level += 1,
            ',' => self.new_line(),
            ':' => self.text.push(' '),
            _ => {}
        }
        (self.level <= MAX_LEVELS).then_some(())
    }

    fn new_line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_each_digit_stays() {
        let body =
            r#"{"total":190.00, "big" : 12345678901234567890.10,"items":[{},[ ],[1,"a,\"{b\\"]]}"#;

        let lines = "{\n  \"total\": 190.00,\n  \"big\": 12345678901234567890.10,\n  \"items\": [\n    {},\n    [],\n    [\n      1,\n      \"a,\\\"{b\\\\\"\n    ]\n  ]\n}";
        assert_eq!(readable(body.as_bytes()), lines);
    }

    #[test]
    fn a_key_that_is_there_twice_is_shown_twice() {
        assert_eq!(readable(br#"{"a":1,"a":2}"#), "{\n  \"a\": 1,\n  \"a\": 2\n}");
    }

    #[test]
    fn what_is_no_json_stays_as_it_is() {
        for (body, shown) in [
            (&b"{\"a\":1"[..], "{\"a\":1"),
            (b"", ""),
            (b"a\nb\x1b[31m", "a\nb\\u{1b}[31m"),
            (b"\xff{}", "\u{fffd}{}"),
        ] {
            assert_eq!(readable(body), shown);
        }
    }

    #[test]
    fn deep_and_large_json_does_not_grow() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let large = format!("[{}1]", "1,".repeat(MAX_BODY_BYTES / 2));
        for body in [deep, large] {
            assert_eq!(readable(body.as_bytes()), body);
        }
    }

    #[test]
    fn a_difference_shows_what_is_gone_and_what_is_new() {
        let shown =
            difference(("as it came", br#"{"a":1,"b":"x"}"#), ("now", br#"{"a":2, "b":"x"}"#));

        let wanted = "--- as it came\n+++ now\n@@ -1,4 +1,4 @@\n {\n-  \"a\": 1,\n+  \"a\": 2,\n   \"b\": \"x\"\n }";
        assert_eq!(shown.trim_end(), wanted);
        assert_eq!(difference(("", b"[1]"), ("", b"[ 1 ]")), "");
    }
}
