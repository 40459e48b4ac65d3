//! Escapes untrusted text for terminals and pages.

/// Escapes the characters that would move a terminal's cursor, change its colours, or change the
/// direction of text.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if is_unsafe(c) { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\r\nü"), "a\\u{1b}[31mb\\r\\nü");
        assert_eq!(printable("1\u{202e}2"), "1\\u{202e}2");
    }
}
