//! A body for people: JSON indented, other text as it is, other bytes in hexadecimal digits.

use std::fmt::Write;

use maud::{Markup, html};

use super::masking::{Addresses, hides};
use crate::entrypoints::body_format::readable;
use crate::service_layer::decode::MAX_BODY_BYTES;

/// Most bytes of a text that are shown.
const MAX_SHOWN: usize = 64 * 1024;

/// Most bytes that are shown in digits.
const MAX_DUMPED: usize = 4 * 1024;

const IN_A_LINE: usize = 16;

/// The body, as far as it can be shown.
pub fn body(body: &[u8], label: &str, addresses: Addresses) -> Markup {
    if body.is_empty() {
        return html! { p .hint { "It has no bytes." } };
    }
    let seen = beginning(body);
    match std::str::from_utf8(body) {
        Ok(_) => code(label, &addresses.within(&readable(seen)), body.len() - seen.len()),
        Err(error) => bytes(body, label, error.valid_up_to(), addresses),
    }
}

/// Whether a body has something to mask.
pub fn hides_addresses(body: &[u8]) -> bool {
    hides(&readable(beginning(body)))
}

/// What is looked at of a body: of one that is too large to be indented, what can be shown.
fn beginning(body: &[u8]) -> &[u8] {
    if body.len() > MAX_BODY_BYTES { &body[..MAX_SHOWN] } else { body }
}

fn bytes(body: &[u8], label: &str, valid_up_to: usize, addresses: Addresses) -> Markup {
    let is_hidden = addresses == Addresses::Masked && hides_addresses(body);
    let (seen, dumped) = (beginning(body), &body[..body.len().min(MAX_DUMPED)]);
    html! {
        p .hint { "It is not UTF-8 from byte " (valid_up_to) " on, counted from 0." }
        @if is_hidden {
            (code(label, &addresses.within(&readable(seen)), body.len() - seen.len()))
            p .hint { "Its bytes are not shown, as they hold e-mail addresses." }
        } @else {
            (code(label, &dump(dumped), body.len() - dumped.len()))
        }
    }
}

/// A text that scrolls, also by keyboard; `more` bytes are missing at its end.
pub fn code(label: &str, text: &str, more: usize) -> Markup {
    let shown = &text[..text.floor_char_boundary(MAX_SHOWN)];
    let more = more + text.len() - shown.len();
    html! {
        pre .code tabindex="0" role="region" aria-label=(label) { (shown) }
        @if more > 0 { p .hint { "The beginning: " (more) " bytes more are not shown." } }
    }
}

fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, bytes) in bytes.chunks(IN_A_LINE).enumerate() {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        let letters: String = bytes.iter().map(letter).collect();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{:06x}  {:<47}  {letters}", line * IN_A_LINE, digits.join(" "));
    }
    text
}

/// A unified diff, its lines coloured, and told apart by their first character as well.
pub fn difference(difference: &str, addresses: Addresses) -> Markup {
    let text = addresses.within(difference);
    let shown = &text[..text.floor_char_boundary(MAX_SHOWN)];
    html! {
        pre .code.diff tabindex="0" role="region" aria-label="Difference" {
            @for line in shown.split_inclusive('\n') { (difference_line(line)) }
        }
        @if shown.len() < text.len() { p .hint { "The beginning; the rest is not shown." } }
    }
}

fn difference_line(line: &str) -> Markup {
    match line.as_bytes() {
        [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] | [b'@', ..] => {
            html! { span .place { (line) } }
        }
        [b'-', ..] => html! { del { (line) } },
        [b'+', ..] => html! { ins { (line) } },
        _ => html! { (line) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_dumped_with_their_places_and_letters() {
        let dumped = dump(b"\xff<order/>\n0123456");

        let first = "000000  ff 3c 6f 72 64 65 72 2f 3e 0a 30 31 32 33 34 35  .<order/>.012345\n";
        assert_eq!(dumped, format!("{first}000010  36{:47}6\n", ""));
    }

    #[test]
    fn addresses_do_not_hide_among_bytes() {
        let shown = |bytes: &[u8]| body(bytes, "Body", Addresses::Masked).into_string();

        assert!(!shown(b"\xff grace@example.com").contains("grace"));
        let wide: Vec<u8> =
            "\u{e9} grace@example.com".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!shown(&wide).contains("67 00 72 00"), "{}", shown(&wide));
    }

    #[test]
    fn html_in_a_body_is_text() {
        let shown = body(b"<script>alert(1)</script>", "Body", Addresses::Masked).into_string();

        assert!(!shown.contains("<script"), "{shown}");
    }
}
