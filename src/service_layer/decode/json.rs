//! A JSON tree that keeps what serde's data model loses: the digits of numbers, and duplicate keys.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::messages::{DeadLetterCode, DeadLetterReason};

/// Maximum nesting of objects and arrays, including the outermost. No command needs more than 3.
const MAX_DEPTH: usize = 32;

/// Maximum bytes of a key that an error shows.
const MAX_SHOWN_KEY: usize = 64;

/// A value, borrowed from the text where it has no escapes.
#[derive(Debug)]
pub(super) enum Node<'t> {
    Null,
    Bool,
    /// The digits as they were sent.
    Number(&'t str),
    Text(Cow<'t, str>),
    Array(Vec<Node<'t>>),
    /// Sorted by key, without duplicates.
    Object(Vec<Member<'t>>),
}

#[derive(Debug)]
pub(super) struct Member<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) value: Node<'t>,
}

/// Parses a text as one JSON value.
///
/// # Errors
/// `malformed_json` when it is not JSON, nests too deep, or escapes half of a surrogate pair;
/// `duplicate_key`.
pub(super) fn parse(text: &str) -> Result<Node<'_>, DeadLetterReason> {
    // serde_json checks the grammar, without recursion and without limiting the size of numbers. Its
    // errors consist of fixed texts and a position.
    let valid: &RawValue = serde_json::from_str(text)
        .map_err(|error| malformed(format!("the body is not JSON: {error}")))?;
    Builder { text: valid.get(), at: 0 }.node(1)
}

fn malformed(detail: impl Into<String>) -> DeadLetterReason {
    DeadLetterReason::new(DeadLetterCode::MalformedJson, detail)
}

/// Walks once over a text that is known to be JSON.
struct Builder<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Builder<'t> {
    /// The next value. `depth` is its own, if it is an object or an array.
    fn node(&mut self, depth: usize) -> Result<Node<'t>, DeadLetterReason> {
        match self.peek()? {
            // Checked before it descends, which bounds the recursion.
            b'{' | b'[' if depth > MAX_DEPTH => {
                Err(malformed(format!("the body nests more than {MAX_DEPTH} levels deep")))
            }
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Node::Text),
            b'n' => self.bare().map(|_| Node::Null),
            b't' | b'f' => self.bare().map(|_| Node::Bool),
            _ => self.bare().map(Node::Number),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node<'t>, DeadLetterReason> {
        let mut members = Vec::new();
        self.at += 1;
        loop {
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let key = self.string()?;
                    self.peek()?;
                    self.at += 1; // the colon
                    members.push(Member { key, value: self.node(depth + 1)? });
                }
            }
        }
        self.at += 1;
        sort_by_key(&mut members)?;
        Ok(Node::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Node<'t>, DeadLetterReason> {
        let mut nodes = Vec::new();
        self.at += 1;
        loop {
            match self.peek()? {
                b']' => break,
                b',' => self.at += 1,
                _ => nodes.push(self.node(depth + 1)?),
            }
        }
        self.at += 1;
        Ok(Node::Array(nodes))
    }

    fn string(&mut self) -> Result<Cow<'t, str>, DeadLetterReason> {
        let start = self.at;
        let mut has_escapes = false;
        self.at += 1;
        loop {
            match self.byte()? {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        self.at += 1;
        if has_escapes {
            // The grammar is valid; all that can still fail is half of a surrogate pair.
            return serde_json::from_str(&self.text[start..self.at])
                .map(Cow::Owned)
                .map_err(|_| malformed("a text in the body escapes a lone surrogate"));
        }
        Ok(Cow::Borrowed(&self.text[start + 1..self.at - 1]))
    }

    /// A number or a literal.
    fn bare(&mut self) -> Result<&'t str, DeadLetterReason> {
        let rest = &self.text[self.at..];
        let ends = |byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        // Impossible in valid JSON, but it would be an endless loop.
        if length == 0 {
            return Err(malformed("the body lacks a value"));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Result<u8, DeadLetterReason> {
        loop {
            match self.byte()? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Ok(byte),
            }
        }
    }

    fn byte(&self) -> Result<u8, DeadLetterReason> {
        let byte = self.text.as_bytes().get(self.at).copied();
        byte.ok_or_else(|| malformed("the body ends too early"))
    }
}

/// Sorting finds duplicates in n log n, also in an object of 100,000 keys, and allows binary search.
fn sort_by_key(members: &mut [Member<'_>]) -> Result<(), DeadLetterReason> {
    members.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    match members.windows(2).find(|pair| pair[0].key == pair[1].key) {
        Some(pair) => Err(duplicate_key(&pair[0].key)),
        None => Ok(()),
    }
}

/// Shows a key only if it looks like the name of a field. Any other may be data, such as an e-mail
/// address.
fn duplicate_key(key: &str) -> DeadLetterReason {
    let is_field_name = key.len() <= MAX_SHOWN_KEY
        && key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = if is_field_name { key } else { "a key" };
    DeadLetterReason::new(
        DeadLetterCode::DuplicateKey,
        format!("{name} stands twice in one object"),
    )
}
