//! Checks whether lapin can parse an AMQP field table, without building it.
//!
//! Limits nesting and the number of containers, and rejects unknown types, cut-off values and names
//! that are not UTF-8.

use crate::messages::PropertiesError;

/// Maximum number of tables and arrays in the headers of a message: one of 7 bytes on the wire
/// takes lapin some hundred bytes of memory.
pub const MAX_CONTAINERS: usize = 256;

/// Maximum nesting of tables and arrays. lapin parses recursively: some thousand levels overflow
/// the stack, which aborts the process.
pub const MAX_DEPTH: usize = 32;

/// A name and its value, still encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    /// The type byte and the content.
    pub value: &'a [u8],
}

/// Takes the first entry off the content of a table; `None` when it is cut off or of an unknown
/// type.
pub fn take_entry<'a>(table: &mut &'a [u8]) -> Option<Entry<'a>> {
    let rest = *table;
    let (&length, after_length) = rest.split_first()?;
    let (name, values) = after_length.split_at_checked(length.into())?;
    let (value, rest) = values.split_at_checked(value_length(values)?)?;
    *table = rest;
    Some(Entry { name, value })
}

/// Checks the content of a table.
///
/// # Errors
/// The first reason why lapin could not parse it.
pub fn check(table: &[u8]) -> Result<(), PropertiesError> {
    check_entries(table, MAX_DEPTH, &mut { MAX_CONTAINERS })
}

/// Checks one value with its type byte.
///
/// # Errors
/// The first reason why lapin could not parse it.
pub fn check_value(value: &[u8], containers_left: &mut usize) -> Result<(), PropertiesError> {
    check_nested(value, MAX_DEPTH, containers_left)
}

fn check_entries(
    mut table: &[u8],
    depth: usize,
    containers_left: &mut usize,
) -> Result<(), PropertiesError> {
    while !table.is_empty() {
        let entry = take_entry(&mut table).ok_or(PropertiesError::Malformed)?;
        std::str::from_utf8(entry.name).map_err(|_| PropertiesError::NotUtf8)?;
        check_nested(entry.value, depth, containers_left)?;
    }
    Ok(())
}

fn check_nested(
    value: &[u8],
    depth: usize,
    containers_left: &mut usize,
) -> Result<(), PropertiesError> {
    let is_array = match value.first() {
        Some(b'A') => true,
        Some(b'F') => false,
        _ => return Ok(()),
    };
    let depth = depth.checked_sub(1).ok_or(PropertiesError::TooDeep)?;
    *containers_left = containers_left.checked_sub(1).ok_or(PropertiesError::TooMany)?;
    let mut content = value.get(5..).ok_or(PropertiesError::Malformed)?;
    if !is_array {
        return check_entries(content, depth, containers_left);
    }
    while !content.is_empty() {
        let length = value_length(content).ok_or(PropertiesError::Malformed)?;
        let (value, rest) = content.split_at_checked(length).ok_or(PropertiesError::Malformed)?;
        check_nested(value, depth, containers_left)?;
        content = rest;
    }
    Ok(())
}

/// The length of a value with its type byte; `None` for a type that lapin does not know. The types
/// are those of <https://www.rabbitmq.com/amqp-0-9-1-errata#section_3>.
fn value_length(value: &[u8]) -> Option<usize> {
    let content = match value.first()? {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'S' | b'x' | b'A' | b'F' => {
            let length = value.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
            usize::try_from(length).ok()?.checked_add(4)?
        }
        _ => return None,
    };
    Some(1 + content)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A value of this type, with a length before its content.
    pub fn with_length(type_byte: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).expect("short").to_be_bytes();
        [&[type_byte], &length[..], content].concat()
    }

    pub fn entry(name: &[u8], value: &[u8]) -> Vec<u8> {
        [&[u8::try_from(name.len()).expect("short")], name, value].concat()
    }

    /// Nested arrays, `levels` deep.
    pub fn nested_arrays(levels: usize) -> Vec<u8> {
        (0..levels).fold(vec![b'V'], |inner, _| with_length(b'A', &inner))
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(check(&entry(b"a", &nested_arrays(MAX_DEPTH))), Ok(()));
        assert_eq!(
            check(&entry(b"a", &nested_arrays(MAX_DEPTH + 1))),
            Err(PropertiesError::TooDeep)
        );
        let tables = (0..=MAX_DEPTH)
            .fold(entry(b"t", b"t\x01"), |inner, _| entry(b"F", &with_length(b'F', &inner)));
        assert_eq!(check(&tables), Err(PropertiesError::TooDeep));
    }

    #[test]
    fn every_type_of_rabbitmq_is_known() {
        let fixed: [(u8, usize); 14] = [
            (b'V', 0),
            (b't', 1),
            (b'b', 1),
            (b'B', 1),
            (b's', 2),
            (b'u', 2),
            (b'I', 4),
            (b'i', 4),
            (b'f', 4),
            (b'D', 5),
            (b'l', 8),
            (b'L', 8),
            (b'd', 8),
            (b'T', 8),
        ];
        for (type_byte, length) in fixed {
            let value = [vec![type_byte], vec![1; length]].concat();
            assert_eq!(check(&entry(b"h", &value)), Ok(()), "{}", char::from(type_byte));
            let cut_off = &value[..value.len() - usize::from(length > 0)];
            let checked = check(&entry(b"h", cut_off));
            assert_eq!(checked.is_err(), length > 0, "{}", char::from(type_byte));
        }
        for type_byte in [b'S', b'x'] {
            assert_eq!(check(&entry(b"h", &with_length(type_byte, b"\xff"))), Ok(()));
        }
    }

    #[test]
    fn cut_off_and_unknown_values_are_malformed() {
        for value in [&b"z"[..], b"S\x00\x00\x00\x05abc", b"A\xff\xff\xff\xff", b"S\x00", b""] {
            assert_eq!(check(&entry(b"h", value)), Err(PropertiesError::Malformed), "{value:?}");
        }
        assert_eq!(check(b"\x09short"), Err(PropertiesError::Malformed));
        assert_eq!(check(&entry(b"h", &with_length(b'A', b"z"))), Err(PropertiesError::Malformed));
    }

    #[test]
    fn names_must_be_utf8_on_every_level() {
        let inner = entry(b"\xff", b"V");
        assert_eq!(check(&inner), Err(PropertiesError::NotUtf8));
        assert_eq!(check(&entry(b"a", &with_length(b'F', &inner))), Err(PropertiesError::NotUtf8));
    }
}
