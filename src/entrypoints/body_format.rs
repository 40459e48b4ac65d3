//! Formats message bodies for display.

use std::time::Duration;

use serde::de::IgnoredAny;
use similar::TextDiff;

use crate::entrypoints::printable::printable;
use crate::service_layer::decode::MAX_BODY_BYTES;

/// Maximum nesting of JSON that is indented; the same as that of the decoder.
const MAX_LEVELS: usize = 32;

/// After this time, the diff is no longer minimal.
const DIFF_TIMEOUT: Duration = Duration::from_millis(200);

/// A body as lines: JSON is indented, with numbers and strings as they were sent; anything else is
/// unchanged. Control characters are escaped.
pub fn readable(body: &[u8]) -> String {
    let text = indented(body).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// A unified diff of two [`readable`] bodies. Empty when they differ in white space only.
pub fn unified_diff(old: (&str, &[u8]), new: (&str, &[u8])) -> String {
    let (old_text, new_text) = (readable(old.1), readable(new.1));
    let mut diff = TextDiff::configure();
    let diff = diff.timeout(DIFF_TIMEOUT).diff_lines(&old_text, &new_text);
    diff.unified_diff().missing_newline_hint(false).header(old.0, new.0).to_string()
}

/// JSON with one value per line; `None` if it is not JSON, too large or nested too deeply.
///
/// Works on the text, as parsing would change `10.50` and drop duplicate keys.
pub fn indented(body: &[u8]) -> Option<String> {
    if body.len() > MAX_BODY_BYTES || serde_json::from_slice::<IgnoredAny>(body).is_err() {
        return None;
    }
    let mut lines = Indented::default();
    let mut in_string = false;
    let mut escaped = false;
    for c in std::str::from_utf8(body).ok()?.chars() {
        if in_string {
            lines.text.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            in_string = c == '"';
            lines.push(c)?;
        }
    }
    Some(lines.text)
}

#[derive(Default)]
struct Indented {
    text: String,
    level: usize,
    /// Nothing has followed the latest opening bracket.
    is_empty: bool,
}

impl Indented {
    /// Appends a character outside of strings; `None` if the nesting is too deep.
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
    fn json_is_indented_and_keeps_every_digit() {
        let body =
            r#"{"total":190.00, "big" : 12345678901234567890.10,"items":[{},[ ],[1,"a,\"{b\\"]]}"#;

        let lines = "{\n  \"total\": 190.00,\n  \"big\": 12345678901234567890.10,\n  \"items\": [\n    {},\n    [],\n    [\n      1,\n      \"a,\\\"{b\\\\\"\n    ]\n  ]\n}";
        assert_eq!(readable(body.as_bytes()), lines);
    }

    #[test]
    fn duplicate_keys_are_kept() {
        assert_eq!(readable(br#"{"a":1,"a":2}"#), "{\n  \"a\": 1,\n  \"a\": 2\n}");
    }

    #[test]
    fn what_is_not_json_is_not_indented() {
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
    fn deep_and_large_json_is_not_indented() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let large = format!("[{}1]", "1,".repeat(MAX_BODY_BYTES / 2));
        for body in [deep, large] {
            assert_eq!(readable(body.as_bytes()), body);
        }
    }

    #[test]
    fn a_diff_shows_removed_and_added_lines() {
        let shown =
            unified_diff(("as it came", br#"{"a":1,"b":"x"}"#), ("now", br#"{"a":2, "b":"x"}"#));

        let wanted = "--- as it came\n+++ now\n@@ -1,4 +1,4 @@\n {\n-  \"a\": 1,\n+  \"a\": 2,\n   \"b\": \"x\"\n }";
        assert_eq!(shown.trim_end(), wanted);
        assert_eq!(unified_diff(("", b"[1]"), ("", b"[ 1 ]")), "");
    }
}
