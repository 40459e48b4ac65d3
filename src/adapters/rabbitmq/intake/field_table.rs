//! The wire form of a table of headers, read only as far as needed to know that the client can.

use crate::service_layer::Unreadable;

/// How many tables and lists the headers of a message may have: one of 7 bytes takes the client some
/// hundred bytes of memory.
pub const MAX_CONTAINERS: usize = 256;

/// How deep tables and lists may stand within each other. The client reads each level with a
/// function call of its own, and a thread's stack is finite: some thousands of levels end the
/// process.
pub const MAX_DEPTH: usize = 32;

/// One header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    /// Its type and its content.
    pub value: &'a [u8],
}

/// Takes the first entry off a table (without its length); none when that cannot be done.
pub fn take_entry<'a>(table: &mut &'a [u8]) -> Option<Entry<'a>> {
    let rest = *table;
    let (&length, after_length) = rest.split_first()?;
    let (name, values) = after_length.split_at_checked(length.into())?;
    let (value, rest) = values.split_at_checked(value_length(values)?)?;
    *table = rest;
    Some(Entry { name, value })
}

/// Whether the client can read all of a table (without its length).
///
/// # Errors
/// See [`Unreadable`].
pub fn check(table: &[u8]) -> Result<(), Unreadable> {
    check_entries(table, MAX_DEPTH, &mut { MAX_CONTAINERS })
}

/// Whether the client can read one value, with its type.
///
/// # Errors
/// See [`Unreadable`].
pub fn check_value(value: &[u8], containers_left: &mut usize) -> Result<(), Unreadable> {
    check_nested(value, MAX_DEPTH, containers_left)
}

fn check_entries(
    mut table: &[u8],
    depth: usize,
    containers_left: &mut usize,
) -> Result<(), Unreadable> {
    while !table.is_empty() {
        let entry = take_entry(&mut table).ok_or(Unreadable::Malformed)?;
        std::str::from_utf8(entry.name).map_err(|_| Unreadable::NotUtf8)?;
        check_nested(entry.value, depth, containers_left)?;
    }
    Ok(())
}

fn check_nested(value: &[u8], depth: usize, containers_left: &mut usize) -> Result<(), Unreadable> {
    let is_list = match value.first() {
        Some(b'A') => true,
        Some(b'F') => false,
        _ => return Ok(()),
    };
    let depth = depth.checked_sub(1).ok_or(Unreadable::TooDeep)?;
    *containers_left = containers_left.checked_sub(1).ok_or(Unreadable::TooMany)?;
    let mut content = value.get(5..).ok_or(Unreadable::Malformed)?;
    if !is_list {
        return check_entries(content, depth, containers_left);
    }
    while !content.is_empty() {
        let length = value_length(content).ok_or(Unreadable::Malformed)?;
        let (value, rest) = content.split_at_checked(length).ok_or(Unreadable::Malformed)?;
        check_nested(value, depth, containers_left)?;
        content = rest;
    }
    Ok(())
}

/// The length of a value with its type, by its first bytes; none for a type that the client does not
/// know. The types are those of <https://www.rabbitmq.com/amqp-0-9-1-errata#section_3>.
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

    /// A value of its type's letter, with a length before its content.
    pub fn with_length(letter: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).expect("short").to_be_bytes();
        [&[letter], &length[..], content].concat()
    }

    pub fn entry(name: &[u8], value: &[u8]) -> Vec<u8> {
        [&[u8::try_from(name.len()).expect("short")], name, value].concat()
    }

    /// Lists within lists, `levels` of them.
    pub fn nested_lists(levels: usize) -> Vec<u8> {
        (0..levels).fold(vec![b'V'], |inner, _| with_length(b'A', &inner))
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(check(&entry(b"a", &nested_lists(MAX_DEPTH))), Ok(()));
        assert_eq!(check(&entry(b"a", &nested_lists(MAX_DEPTH + 1))), Err(Unreadable::TooDeep));
        let tables = (0..=MAX_DEPTH)
            .fold(entry(b"t", b"t\x01"), |inner, _| entry(b"F", &with_length(b'F', &inner)));
        assert_eq!(check(&tables), Err(Unreadable::TooDeep));
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
        for (letter, length) in fixed {
            let value = [vec![letter], vec![1; length]].concat();
            assert_eq!(check(&entry(b"h", &value)), Ok(()), "{}", char::from(letter));
            let cut_off = &value[..value.len() - usize::from(length > 0)];
            let checked = check(&entry(b"h", cut_off));
            assert_eq!(checked.is_err(), length > 0, "{}", char::from(letter));
        }
        for letter in [b'S', b'x'] {
            assert_eq!(check(&entry(b"h", &with_length(letter, b"\xff"))), Ok(()));
        }
    }

    #[test]
    fn what_cannot_be_walked_is_malformed() {
        for value in [&b"z"[..], b"S\x00\x00\x00\x05abc", b"A\xff\xff\xff\xff", b"S\x00", b""] {
            assert_eq!(check(&entry(b"h", value)), Err(Unreadable::Malformed), "{value:?}");
        }
        assert_eq!(check(b"\x09short"), Err(Unreadable::Malformed));
        assert_eq!(check(&entry(b"h", &with_length(b'A', b"z"))), Err(Unreadable::Malformed));
    }

    #[test]
    fn names_are_utf8_on_every_level() {
        let inner = entry(b"\xff", b"V");
        assert_eq!(check(&inner), Err(Unreadable::NotUtf8));
        assert_eq!(check(&entry(b"a", &with_length(b'F', &inner))), Err(Unreadable::NotUtf8));
    }
}
