//! Renders a body: JSON indented, other text as it is, other bytes as a hex dump.

use std::fmt::Write;

use maud::{Markup, html};

use super::masking::{EmailVisibility, has_emails};
use crate::entrypoints::body_format::readable;
use crate::service_layer::decode::MAX_BODY_BYTES;

/// Maximum bytes of a text that are shown.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Maximum bytes of a hex dump.
const MAX_DUMP_BYTES: usize = 4 * 1024;

const BYTES_PER_LINE: usize = 16;

pub fn body(body: &[u8], label: &str, emails: EmailVisibility) -> Markup {
    if body.is_empty() {
        return html! { p .hint { "Empty body" } };
    }
    let start = start_of(body);
    match std::str::from_utf8(body) {
        Ok(_) => code(label, &emails.apply(&readable(start)), body.len() - start.len()),
        Err(error) => bytes(body, label, error.valid_up_to(), emails),
    }
}

/// Whether a body contains e-mail addresses to mask.
pub fn contains_emails(body: &[u8]) -> bool {
    has_emails(&readable(start_of(body)))
}

/// The part that is rendered: only the start of a body that is too large to be decoded.
fn start_of(body: &[u8]) -> &[u8] {
    if body.len() > MAX_BODY_BYTES { &body[..MAX_TEXT_BYTES] } else { body }
}

fn bytes(body: &[u8], label: &str, valid_up_to: usize, emails: EmailVisibility) -> Markup {
    let is_hidden = emails == EmailVisibility::Masked && contains_emails(body);
    let (start, dumped) = (start_of(body), &body[..body.len().min(MAX_DUMP_BYTES)]);
    html! {
        p .hint { "Not valid UTF-8 from byte " (valid_up_to) " (counted from 0)." }
        @if is_hidden {
            (code(label, &emails.apply(&readable(start)), body.len() - start.len()))
            p .hint { "The hex dump is hidden because it contains e-mail addresses." }
        } @else {
            (code(label, &dump(dumped), body.len() - dumped.len()))
        }
    }
}

/// A scrollable, focusable text; `more` bytes are missing at its end.
pub fn code(label: &str, text: &str, more: usize) -> Markup {
    let shown = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
    let more = more + text.len() - shown.len();
    html! {
        pre .code tabindex="0" role="region" aria-label=(label) { (shown) }
        @if more > 0 { p .hint { "Truncated: " (more) " more bytes." } }
    }
}

fn dump(bytes: &[u8]) -> String {
    let mut dump = String::new();
    for (line, bytes) in bytes.chunks(BYTES_PER_LINE).enumerate() {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let printable = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        let text_column: String = bytes.iter().map(printable).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            dump,
            "{:06x}  {:<47}  {text_column}",
            line * BYTES_PER_LINE,
            digits.join(" ")
        );
    }
    dump
}

/// A unified diff with coloured lines.
pub fn diff(diff: &str, emails: EmailVisibility) -> Markup {
    let text = emails.apply(diff);
    let shown = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
    html! {
        pre .code.diff tabindex="0" role="region" aria-label="Diff" {
            @for line in shown.split_inclusive('\n') { (diff_line(line)) }
        }
        @if shown.len() < text.len() { p .hint { "Truncated." } }
    }
}

fn diff_line(line: &str) -> Markup {
    match line.as_bytes() {
        [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] | [b'@', ..] => {
            html! { span .hunk { (line) } }
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
    fn a_hex_dump_has_offsets_and_characters() {
        let dumped = dump(b"\xff<order/>\n0123456");

        let first = "000000  ff 3c 6f 72 64 65 72 2f 3e 0a 30 31 32 33 34 35  .<order/>.012345\n";
        assert_eq!(dumped, format!("{first}000010  36{:47}6\n", ""));
    }

    #[test]
    fn emails_are_masked_among_other_bytes() {
        let shown = |bytes: &[u8]| body(bytes, "Body", EmailVisibility::Masked).into_string();

        assert!(!shown(b"\xff grace@example.com").contains("grace"));
        let wide: Vec<u8> =
            "\u{e9} grace@example.com".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!shown(&wide).contains("67 00 72 00"), "{}", shown(&wide));
    }

    #[test]
    fn html_in_a_body_is_escaped() {
        let shown =
            body(b"<script>alert(1)</script>", "Body", EmailVisibility::Masked).into_string();

        assert!(!shown.contains("<script"), "{shown}");
    }
}
