//! Content header frames: the body size and the properties of a message.
//!
//! Rewrites a frame that lapin cannot parse into one that it can, and keeps the original as far as
//! it fits into the frame. A header that cannot be parsed becomes a byte array of its encoded
//! value. A property that is not UTF-8 gets U+FFFD in place of the invalid bytes, and its original
//! bytes go into an additional header.

use super::field_table::{self, Entry};
use crate::messages::PropertiesError;

/// The header with the reason why the properties were rewritten.
pub const UNREADABLE_HEADER: &str = "order-worker-unreadable";

/// Prefix of the headers with the original bytes of what could not be parsed.
const ORIGINAL_PREFIX: &str = "order-worker-original-";

/// Class id (2 bytes), weight (2), body size (8); the property flags follow.
const FIXED_BYTES: usize = 12;

/// The properties in wire order, from the highest flag bit (15) down.
const PROPERTIES: [(&str, Encoding); 14] = [
    ("content-type", Encoding::ShortString),
    ("content-encoding", Encoding::ShortString),
    ("headers", Encoding::Table),
    ("delivery-mode", Encoding::Fixed(1)),
    ("priority", Encoding::Fixed(1)),
    ("correlation-id", Encoding::ShortString),
    ("reply-to", Encoding::ShortString),
    ("expiration", Encoding::ShortString),
    ("message-id", Encoding::ShortString),
    ("timestamp", Encoding::Fixed(8)),
    ("type", Encoding::ShortString),
    ("user-id", Encoding::ShortString),
    ("app-id", Encoding::ShortString),
    ("cluster-id", Encoding::ShortString),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// A short string: at most 255 bytes, after a length byte.
    ShortString,
    /// A field table, after its length in 4 bytes.
    Table,
    /// A number of this many bytes.
    Fixed(usize),
}

/// The size of the body that follows; `None` when the frame is cut off.
pub fn body_size(payload: &[u8]) -> Option<u64> {
    payload.get(4..FIXED_BYTES)?.try_into().ok().map(u64::from_be_bytes)
}

/// The same header, for a message with an empty body and no properties.
pub fn without_content(payload: &[u8]) -> Vec<u8> {
    let mut header = payload[..4].to_vec();
    header.resize(FIXED_BYTES + 2, 0);
    header
}

/// The header as lapin can parse it, or `None` when it can parse the original. The result has at
/// most `max_bytes`: if it would not fit, all headers of the message are left out.
///
/// # Panics
/// When the payload is shorter than its fixed part; see [`body_size`].
pub fn repaired(payload: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let (fixed, properties) = payload.split_at(FIXED_BYTES);
    let mut repair = Repair::default();
    repair.read_properties(properties);
    if payload.len() > max_bytes {
        // RabbitMQ splits a body into frames, but never the properties.
        return Some(
            Repair { headers: Vec::new(), ..repair }.encode(fixed, PropertiesError::TooLarge),
        );
    }
    let error = repair.error?;
    let encoded = repair.encode(fixed, error);
    if encoded.len() <= max_bytes {
        return Some(encoded);
    }
    Some(Repair { headers: Vec::new(), ..repair }.encode(fixed, error))
}

/// The properties of a message, in an encoding that lapin can parse.
#[derive(Debug)]
struct Repair {
    /// The first problem found; `None` while nothing had to be changed.
    error: Option<PropertiesError>,
    /// Flag and encoded value of each property except the headers.
    properties: Vec<(u16, Vec<u8>)>,
    /// The encoded headers, without the length of the table.
    headers: Vec<u8>,
    containers_left: usize,
}

impl Default for Repair {
    fn default() -> Self {
        Self {
            error: None,
            properties: Vec::new(),
            headers: Vec::new(),
            containers_left: field_table::MAX_CONTAINERS,
        }
    }
}

impl Repair {
    fn read_properties(&mut self, properties: &[u8]) {
        let Some((flags, mut rest)) =
            properties.split_first_chunk().map(|(flags, rest)| (u16::from_be_bytes(*flags), rest))
        else {
            return self.give_up(properties);
        };
        // Bit 0 announces another word of flags, which RabbitMQ never sends; bit 1 is unused.
        if flags & 0b11 != 0 {
            return self.give_up(properties);
        }
        for (position, (name, encoding)) in (0..).zip(PROPERTIES) {
            let flag = 1 << (15 - position);
            if flags & flag == 0 {
                continue;
            }
            let Some(value) = take_value(&mut rest, encoding) else { return self.give_up(rest) };
            match encoding {
                Encoding::ShortString => self.read_short_string(flag, name, value),
                Encoding::Table => self.read_headers(&value[4..]),
                Encoding::Fixed(_) => self.properties.push((flag, value.to_vec())),
            }
        }
        if !rest.is_empty() {
            self.give_up(rest);
        }
    }

    fn read_short_string(&mut self, flag: u16, name: &str, value: &[u8]) {
        let text = String::from_utf8_lossy(&value[1..]);
        if text.as_bytes() != &value[1..] {
            self.note(PropertiesError::NotUtf8);
            self.keep_original(name, &value[1..]);
        }
        self.properties.push((flag, short_string(&text)));
    }

    fn read_headers(&mut self, mut table: &[u8]) {
        if field_table::check(table).is_ok() {
            return self.headers.extend_from_slice(table);
        }
        while !table.is_empty() {
            let Some(entry) = field_table::take_entry(&mut table) else {
                return self.give_up(table);
            };
            self.read_header(entry);
        }
    }

    fn read_header(&mut self, entry: Entry<'_>) {
        let name = String::from_utf8_lossy(entry.name);
        if name.as_bytes() != entry.name {
            self.note(PropertiesError::NotUtf8);
        }
        self.headers.extend_from_slice(&short_string(&name));
        match field_table::check_value(entry.value, &mut self.containers_left) {
            Ok(()) => self.headers.extend_from_slice(entry.value),
            Err(error) => {
                self.note(error);
                push_byte_array(&mut self.headers, entry.value);
            }
        }
    }

    /// Keeps everything from here on as one byte array: it cannot be split into properties.
    fn give_up(&mut self, rest: &[u8]) {
        self.note(PropertiesError::Malformed);
        self.keep_original("properties", rest);
    }

    fn keep_original(&mut self, name: &str, bytes: &[u8]) {
        self.headers.extend_from_slice(&short_string(&format!("{ORIGINAL_PREFIX}{name}")));
        push_byte_array(&mut self.headers, bytes);
    }

    fn note(&mut self, error: PropertiesError) {
        self.error.get_or_insert(error);
    }

    fn encode(&self, fixed: &[u8], error: PropertiesError) -> Vec<u8> {
        // Last, so that a publisher cannot forge it: of two headers with one name, lapin keeps the
        // second.
        let mut headers = self.headers.clone();
        headers.extend_from_slice(&short_string(UNREADABLE_HEADER));
        headers.push(b'S');
        push_length(&mut headers, error.as_str().len());
        headers.extend_from_slice(error.as_str().as_bytes());
        let headers_flag = 1 << 13;
        let flags = self.properties.iter().fold(headers_flag, |flags, (flag, _)| flags | flag);
        let mut encoded = fixed.to_vec();
        encoded.extend_from_slice(&u16::to_be_bytes(flags));
        let (before, after): (Vec<_>, Vec<_>) =
            self.properties.iter().partition(|(flag, _)| *flag > headers_flag);
        for (_, value) in before {
            encoded.extend_from_slice(value);
        }
        push_length(&mut encoded, headers.len());
        encoded.extend_from_slice(&headers);
        for (_, value) in after {
            encoded.extend_from_slice(value);
        }
        encoded
    }
}

/// Takes one encoded value, with its length; `None` when it is cut off.
fn take_value<'a>(rest: &mut &'a [u8], encoding: Encoding) -> Option<&'a [u8]> {
    let length = match encoding {
        Encoding::ShortString => 1 + usize::from(*rest.first()?),
        Encoding::Table => {
            let length = rest.get(..4)?.try_into().ok().map(u32::from_be_bytes)?;
            usize::try_from(length).ok()?.checked_add(4)?
        }
        Encoding::Fixed(length) => length,
    };
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(value)
}

/// Encodes a short string, cut at a character boundary to at most 255 bytes.
pub fn short_string(text: &str) -> Vec<u8> {
    let text = &text[..text.floor_char_boundary(u8::MAX.into())];
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length], text.as_bytes()].concat()
}

fn push_byte_array(headers: &mut Vec<u8>, bytes: &[u8]) {
    headers.push(b'x');
    push_length(headers, bytes.len());
    headers.extend_from_slice(bytes);
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    // Everything comes from one frame, whose length has 32 bits.
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}
