//! The fields of an object, read by name, and how a fault names the field that has it.

use std::fmt::Display;

use super::Notes;
use super::json::{Member, Node};
use crate::service_layer::{DeadLetter, DeadLetterCode};

/// What can be read from any place in the tree.
pub(super) trait Read: Sized {
    /// # Errors
    /// A fault that names the field and the rule, never the value.
    fn read(node: &Node<'_>, notes: &mut Notes) -> Result<Self, Fault>;
}

/// What is read from the fields of an object.
pub(super) trait ReadFields: Sized {
    /// # Errors
    /// As [`Read::read`].
    fn read_fields(fields: &mut Fields<'_, '_>) -> Result<Self, Fault>;
}

impl<T: ReadFields> Read for T {
    fn read(node: &Node<'_>, notes: &mut Notes) -> Result<Self, Fault> {
        Fields::of(node, notes)?.read()
    }
}

/// The members of an object while they are read.
#[derive(Debug)]
pub(super) struct Fields<'t, 'n> {
    members: &'t [Member<'t>],
    known: usize,
    pub(super) notes: &'n mut Notes,
}

impl<'t, 'n> Fields<'t, 'n> {
    pub(super) fn of(node: &'t Node<'t>, notes: &'n mut Notes) -> Result<Self, Fault> {
        match node {
            Node::Object(members) => Ok(Self { members, known: 0, notes }),
            _ => Err(Fault::invalid("must be an object")),
        }
    }

    /// Reads everything at once; the fields that nobody asked for are counted.
    pub(super) fn read<T: ReadFields>(&mut self) -> Result<T, Fault> {
        let value = T::read_fields(self)?;
        self.notes.unknown_fields += self.members.len() - self.known;
        Ok(value)
    }

    /// A field, unless it is absent or null. To be called once for each name: it counts.
    pub(super) fn get(&mut self, name: &str) -> Option<&'t Node<'t>> {
        let found = self.members.binary_search_by(|member| (*member.key).cmp(name)).ok()?;
        self.known += 1;
        match &self.members[found].value {
            Node::Null => None,
            value => Some(value),
        }
    }

    pub(super) fn optional<T: Read>(&mut self, name: &str) -> Result<Option<T>, Fault> {
        let node = self.get(name);
        node.map(|node| T::read(node, self.notes)).transpose().map_err(|fault| fault.inside(name))
    }

    pub(super) fn required<T: Read>(&mut self, name: &str) -> Result<T, Fault> {
        self.optional(name)?.ok_or_else(|| Fault::missing().inside(name))
    }
}

/// A rule that a field breaks.
#[derive(Debug)]
pub(super) struct Fault {
    code: DeadLetterCode,
    /// Where, seen from the body: `items[3].quantity`. Grows at its front on the way up.
    path: String,
    rule: String,
}

impl Fault {
    pub(super) fn invalid(rule: impl Display) -> Self {
        Self { code: DeadLetterCode::InvalidField, path: String::new(), rule: rule.to_string() }
    }

    fn missing() -> Self {
        Self {
            code: DeadLetterCode::MissingField,
            path: String::new(),
            rule: "is missing".to_owned(),
        }
    }

    /// The same fault, seen from the object that has the field.
    pub(super) fn inside(mut self, field: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{field}{separator}{}", self.path);
        self
    }

    /// The same fault, seen from the array that has the element.
    pub(super) fn at(self, index: usize) -> Self {
        self.inside(&format!("[{index}]"))
    }
}

impl From<Fault> for DeadLetter {
    fn from(fault: Fault) -> Self {
        let Fault { code, path, rule } = fault;
        if path.is_empty() {
            return Self::new(code, format!("the body {rule}"));
        }
        Self::of_field(code, path, &rule)
    }
}
