//! Masks e-mail addresses in untrusted text.

use std::borrow::Cow;

use crate::entrypoints::http::console::components::email;

/// Whether a page shows e-mail addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailVisibility {
    Masked,
    /// An operator requested it, and the access is recorded.
    Shown,
}

/// The encodings of `@` in JSON and URLs.
const AT: [&str; 3] = ["@", "\\u0040", "%40"];

/// A NUL byte as it is shown; UTF-16 text has one between the characters.
const NUL: &str = "\\u{0}";

/// The value of this field is masked even if it does not look like an address.
const EMAIL_FIELD: &str = "\"email\": \"";

impl EmailVisibility {
    pub fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Shown => text.into(),
            Self::Masked => masked(text).into(),
        }
    }
}

/// Whether there is anything to mask.
pub fn has_emails(text: &str) -> bool {
    masked(text) != text
}

fn masked(text: &str) -> String {
    let plain = text.replace(NUL, "");
    let masked_plain = masked_lines(&plain);
    if masked_plain != plain {
        return masked_plain;
    }
    masked_lines(text)
}

fn masked_lines(text: &str) -> String {
    text.split_inclusive('\n').map(masked_line).collect()
}

fn masked_line(line: &str) -> String {
    if let Some((before, rest)) = line.split_once(EMAIL_FIELD)
        && let Some((address, after)) = rest.rsplit_once('"')
        && before.trim_matches(['+', '-', ' ']).is_empty()
        && !address.contains('"')
    {
        return format!("{before}{EMAIL_FIELD}{}\"{after}", masked_word(address));
    }
    let mut masked = String::with_capacity(line.len());
    for part in line.split_inclusive(ends_a_word) {
        let word = part.strip_suffix(ends_a_word).unwrap_or(part);
        masked.push_str(&if is_address(word) { masked_word(word).into() } else { Cow::from(word) });
        masked.push_str(&part[word.len()..]);
    }
    masked
}

/// `something@something`
fn is_address(word: &str) -> bool {
    let parts = AT.iter().find_map(|at| word.split_once(at));
    parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && name != "@")
}

fn ends_a_word(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`<>()[]{},;:=|".contains(c)
}

fn masked_word(word: &str) -> String {
    let plain = AT.iter().fold(word.to_owned(), |word, at| word.replace(at, "@"));
    email::masked(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_masked_in_all_encodings() {
        for (text, shown) in [
            (r#"{"e":"grace@example.com"}"#, r#"{"e":"g…@example.com"}"#),
            ("to <grace@example.com>, ada@b.example", "to <g…@example.com>, a…@b.example"),
            (r#""grace\u0040example.com""#, r#""g…@example.com""#),
            ("mailto:grace%40example.com?x=1", "mailto:g…@example.com?x=1"),
            ("a\n  \"email\": \"grace at example\",\nb", "a\n  \"email\": \"g…\",\nb"),
            ("g\\u{0}@\\u{0}e", "…@e"),
            ("+    \"email\": \"g@example.com\"", "+    \"email\": \"…@example.com\""),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn other_text_is_unchanged() {
        for text in [
            "",
            "order 7 does not exist (yet)",
            "{\n  \"total\": 190.00\n}\n",
            "50 % off",
            "@@ -1 +1 @@",
            "an @ alone",
            "a\\u{0}b",
        ] {
            assert!(!has_emails(text), "{text}");
        }
    }
}
