//! The fields of an object, read by name, and how a fault names the field that has it.

use std::fmt::Display;

use super::Deviations;
use super::json::{Member, Node};
use crate::service_layer::{DeadLetterCode, DeadLetterReason};

/// What can be read from any place in the tree.
pub(super) trait Read: Sized {
    /// # Errors
    /// A fault that names the field and the rule, never the value.
    fn read(node: &Node<'_>, notes: &mut Deviations) -> Result<Self, FieldError>;
}

/// What is read from the fields of an object.
pub(super) trait ReadFields: Sized {
    /// # Errors
    /// As [`Read::read`].
    fn read_fields(fields: &mut Fields<'_, '_>) -> Result<Self, FieldError>;
}

impl<T: ReadFields> Read for T {
    fn read(node: &Node<'_>, notes: &mut Deviations) -> Result<Self, FieldError> {
        Fields::of(node, notes)?.read()
    }
}

/// The members of an object while they are read.
#[derive(Debug)]
pub(super) struct Fields<'t, 'n> {
    members: &'t [Member<'t>],
    known: usize,
    pub(super) notes: &'n mut Deviations,
}

impl<'t, 'n> Fields<'t, 'n> {
    pub(super) fn of(node: &'t Node<'t>, notes: &'n mut Deviations) -> Result<Self, FieldError> {
        match node {
            Node::Object(members) => Ok(Self { members, known: 0, notes }),
            _ => Err(FieldError::invalid("must be an object")),
        }
    }

    /// Reads everything at once; the fields that nobody asked for are counted.
    pub(super) fn read<T: ReadFields>(&mut self) -> Result<T, FieldError> {
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

    pub(super) fn optional<T: Read>(&mut self, name: &str) -> Result<Option<T>, FieldError> {
        let node = self.get(name);
        node.map(|node| T::read(node, self.notes)).transpose().map_err(|fault| fault.inside(name))
    }

    pub(super) fn required<T: Read>(&mut self, name: &str) -> Result<T, FieldError> {
        self.optional(name)?.ok_or_else(|| FieldError::missing().inside(name))
    }
}

/// A rule that a field breaks.
#[derive(Debug)]
pub(super) struct FieldError {
    code: DeadLetterCode,
    /// Where, seen from the body: `items[3].quantity`. Grows at its front on the way up.
    path: String,
    rule: String,
}

impl FieldError {
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

impl From<FieldError> for DeadLetterReason {
    fn from(fault: FieldError) -> Self {
        let FieldError { code, path, rule } = fault;
        if path.is_empty() {
            return Self::new(code, format!("the body {rule}"));
        }
        Self::of_field(code, path, &rule)
    }
}
