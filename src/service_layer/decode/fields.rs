//! The fields of an object, read by name, and errors with the path of the field.

use std::fmt::Display;

use super::Deviations;
use super::json::{Member, Node};
use crate::messages::{DeadLetterCode, DeadLetterReason};

/// A value that is read from a node of the tree.
pub(super) trait FromNode: Sized {
    /// # Errors
    /// When the value breaks a rule. The error names the field and the rule, never the value.
    fn from_node(node: &Node<'_>, deviations: &mut Deviations) -> Result<Self, FieldError>;
}

/// A value that is read from the fields of an object.
pub(super) trait FromObject: Sized {
    /// # Errors
    /// As [`FromNode::from_node`].
    fn from_object(fields: &mut Fields<'_, '_>) -> Result<Self, FieldError>;
}

impl<T: FromObject> FromNode for T {
    fn from_node(node: &Node<'_>, deviations: &mut Deviations) -> Result<Self, FieldError> {
        Fields::of(node, deviations)?.read()
    }
}

/// The members of an object while they are read.
#[derive(Debug)]
pub(super) struct Fields<'t, 'n> {
    members: &'t [Member<'t>],
    known: usize,
    pub(super) deviations: &'n mut Deviations,
}

impl<'t, 'n> Fields<'t, 'n> {
    pub(super) fn of(
        node: &'t Node<'t>,
        deviations: &'n mut Deviations,
    ) -> Result<Self, FieldError> {
        match node {
            Node::Object(members) => Ok(Self { members, known: 0, deviations }),
            _ => Err(FieldError::invalid("must be an object")),
        }
    }

    /// Reads all fields of a value, and counts those that it does not know.
    pub(super) fn read<T: FromObject>(&mut self) -> Result<T, FieldError> {
        let value = T::from_object(self)?;
        self.deviations.unknown_fields += self.members.len() - self.known;
        Ok(value)
    }

    /// A field, unless it is absent or null. Must be called once for each name, as it counts the known
    /// fields.
    pub(super) fn get(&mut self, name: &str) -> Option<&'t Node<'t>> {
        let found = self.members.binary_search_by(|member| (*member.key).cmp(name)).ok()?;
        self.known += 1;
        match &self.members[found].value {
            Node::Null => None,
            value => Some(value),
        }
    }

    pub(super) fn optional<T: FromNode>(&mut self, name: &str) -> Result<Option<T>, FieldError> {
        let node = self.get(name);
        node.map(|node| T::from_node(node, self.deviations))
            .transpose()
            .map_err(|error| error.inside(name))
    }

    pub(super) fn required<T: FromNode>(&mut self, name: &str) -> Result<T, FieldError> {
        self.optional(name)?.ok_or_else(|| FieldError::missing().inside(name))
    }
}

/// A rule that a field breaks.
#[derive(Debug)]
pub(super) struct FieldError {
    code: DeadLetterCode,
    /// The path from the body, such as `items[3].quantity`. Outer fields are prepended on the way up.
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

    /// The same error with the path from the object that has the field.
    pub(super) fn inside(mut self, field: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{field}{separator}{}", self.path);
        self
    }

    /// The same error with the path from the array that has the element.
    pub(super) fn at(self, index: usize) -> Self {
        self.inside(&format!("[{index}]"))
    }
}

impl From<FieldError> for DeadLetterReason {
    fn from(error: FieldError) -> Self {
        let FieldError { code, path, rule } = error;
        if path.is_empty() {
            return Self::new(code, format!("the body {rule}"));
        }
        Self::of_field(code, path, &rule)
    }
}
