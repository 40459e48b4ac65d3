//! Text of strangers, for people.

/// A text that cannot move a terminal's cursor, change its colours, or turn the direction in which
/// it is read: the characters that do so are shown as escapes.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if is_obeyed(c) { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(printable("a\u{1b}[31mb\r\nü"), "a\\u{1b}[31mb\\r\\nü");
        assert_eq!(printable("1\u{202e}2"), "1\\u{202e}2");
    }
}
