//! The frame before the body of a message: its length and its properties.
//!
//! The client must be able to read it. What it could not is handed to it in another form, with
//! nothing lost as far as the frame has room: a header as its encoded bytes, a property as the same
//! text with U+FFFD where it is not UTF-8, and its bytes in a header beside it.

use super::field_table::{self, Entry};
use crate::service_layer::Unreadable;

/// The header that says why the properties are not as they were sent.
pub const UNREADABLE: &str = "order-worker-unreadable";

/// The prefix of headers with what could not be read.
const ORIGINAL: &str = "order-worker-original-";

/// Class, weight, the length of the body.
const FIXED_BYTES: usize = 12;

/// The properties in their order, from the highest flag down.
const PROPERTIES: [(&str, Form); 14] = [
    ("content-type", Form::Text),
    ("content-encoding", Form::Text),
    ("headers", Form::Table),
    ("delivery-mode", Form::Fixed(1)),
    ("priority", Form::Fixed(1)),
    ("correlation-id", Form::Text),
    ("reply-to", Form::Text),
    ("expiration", Form::Text),
    ("message-id", Form::Text),
    ("timestamp", Form::Fixed(8)),
    ("type", Form::Text),
    ("user-id", Form::Text),
    ("app-id", Form::Text),
    ("cluster-id", Form::Text),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// At most 255 bytes.
    Text,
    Table,
    Fixed(usize),
}

/// The length of the body that follows.
pub fn body_bytes(payload: &[u8]) -> Option<u64> {
    payload.get(4..FIXED_BYTES)?.try_into().ok().map(u64::from_be_bytes)
}

/// The same header for a message without body and properties.
pub fn emptied(payload: &[u8]) -> Vec<u8> {
    let mut emptied = payload[..4].to_vec();
    emptied.resize(FIXED_BYTES + 2, 0);
    emptied
}

/// The header as the client can read it; none where it can read the one that came. It has at most
/// `max_bytes`: headers that do not fit are left out.
///
/// The payload has at least its fixed part.
pub fn repaired(payload: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let (fixed, properties) = payload.split_at(FIXED_BYTES);
    let mut repair = Repair::default();
    repair.take_all(properties);
    if payload.len() > max_bytes {
        // RabbitMQ splits bodies into frames, and never the properties.
        return Some(Repair { headers: Vec::new(), ..repair }.written(fixed, Unreadable::TooLarge));
    }
    let why = repair.why?;
    let whole = repair.written(fixed, why);
    if whole.len() <= max_bytes {
        return Some(whole);
    }
    Some(Repair { headers: Vec::new(), ..repair }.written(fixed, why))
}

/// The properties of a message, as far as they are readable or have been made so.
#[derive(Debug)]
struct Repair {
    /// Why something was changed; the first reason.
    why: Option<Unreadable>,
    /// The flag of each property but the headers, and its encoded value.
    texts: Vec<(u16, Vec<u8>)>,
    /// Encoded headers.
    headers: Vec<u8>,
    containers_left: usize,
}

impl Default for Repair {
    fn default() -> Self {
        Self {
            why: None,
            texts: Vec::new(),
            headers: Vec::new(),
            containers_left: field_table::MAX_CONTAINERS,
        }
    }
}

impl Repair {
    fn take_all(&mut self, properties: &[u8]) {
        let Some((flags, mut rest)) =
            properties.split_first_chunk().map(|(flags, rest)| (u16::from_be_bytes(*flags), rest))
        else {
            return self.give_up(properties);
        };
        // The lowest bit announces more flags, which RabbitMQ never sends; the next one is unused.
        if flags & 0b11 != 0 {
            return self.give_up(properties);
        }
        for (place, (name, form)) in (0..).zip(PROPERTIES) {
            let flag = 1 << (15 - place);
            if flags & flag == 0 {
                continue;
            }
            let Some(value) = take(&mut rest, form) else { return self.give_up(rest) };
            match form {
                Form::Text => self.take_text(flag, name, value),
                Form::Table => self.take_headers(&value[4..]),
                Form::Fixed(_) => self.texts.push((flag, value.to_vec())),
            }
        }
        if !rest.is_empty() {
            self.give_up(rest);
        }
    }

    fn take_text(&mut self, flag: u16, name: &str, value: &[u8]) {
        let text = String::from_utf8_lossy(&value[1..]);
        if text.as_bytes() != &value[1..] {
            self.note(Unreadable::NotUtf8);
            self.keep(name, &value[1..]);
        }
        self.texts.push((flag, short_text(&text)));
    }

    fn take_headers(&mut self, mut table: &[u8]) {
        if field_table::check(table).is_ok() {
            return self.headers.extend_from_slice(table);
        }
        while !table.is_empty() {
            let Some(entry) = field_table::take_entry(&mut table) else {
                return self.give_up(table);
            };
            self.take_header(entry);
        }
    }

    fn take_header(&mut self, entry: Entry<'_>) {
        let name = String::from_utf8_lossy(entry.name);
        if name.as_bytes() != entry.name {
            self.note(Unreadable::NotUtf8);
        }
        self.headers.extend_from_slice(&short_text(&name));
        match field_table::check_value(entry.value, &mut self.containers_left) {
            Ok(()) => self.headers.extend_from_slice(entry.value),
            Err(why) => {
                self.note(why);
                push_bytes(&mut self.headers, entry.value);
            }
        }
    }

    /// Keeps as bytes what cannot be told apart.
    fn give_up(&mut self, rest: &[u8]) {
        self.note(Unreadable::Malformed);
        self.keep("properties", rest);
    }

    fn keep(&mut self, name: &str, bytes: &[u8]) {
        self.headers.extend_from_slice(&short_text(&format!("{ORIGINAL}{name}")));
        push_bytes(&mut self.headers, bytes);
    }

    fn note(&mut self, why: Unreadable) {
        self.why.get_or_insert(why);
    }

    fn written(&self, fixed: &[u8], why: Unreadable) -> Vec<u8> {
        // Last: of two headers with one name, the client keeps the second.
        let mut headers = self.headers.clone();
        headers.extend_from_slice(&short_text(UNREADABLE));
        headers.push(b'S');
        push_length(&mut headers, why.as_str().len());
        headers.extend_from_slice(why.as_str().as_bytes());
        let headers_flag = 1 << 13;
        let flags = self.texts.iter().fold(headers_flag, |flags, (flag, _)| flags | flag);
        let mut written = fixed.to_vec();
        written.extend_from_slice(&u16::to_be_bytes(flags));
        let (before, after): (Vec<_>, Vec<_>) =
            self.texts.iter().partition(|(flag, _)| *flag > headers_flag);
        for (_, value) in before {
            written.extend_from_slice(value);
        }
        push_length(&mut written, headers.len());
        written.extend_from_slice(&headers);
        for (_, value) in after {
            written.extend_from_slice(value);
        }
        written
    }
}

fn take<'a>(rest: &mut &'a [u8], form: Form) -> Option<&'a [u8]> {
    let length = match form {
        Form::Text => 1 + usize::from(*rest.first()?),
        Form::Table => {
            let length = rest.get(..4)?.try_into().ok().map(u32::from_be_bytes)?;
            usize::try_from(length).ok()?.checked_add(4)?
        }
        Form::Fixed(length) => length,
    };
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(value)
}

/// A text with its length, cut between characters to the 255 bytes that there may be.
pub fn short_text(text: &str) -> Vec<u8> {
    let text = &text[..text.floor_char_boundary(u8::MAX.into())];
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length], text.as_bytes()].concat()
}

fn push_bytes(headers: &mut Vec<u8>, bytes: &[u8]) {
    headers.push(b'x');
    push_length(headers, bytes.len());
    headers.extend_from_slice(bytes);
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    // What is written comes from one frame, whose length has 32 bits.
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}
