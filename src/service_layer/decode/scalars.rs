//! The scalar values: how each is read, next to its schema.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::Deviations;
use super::fields::{FieldError, FromNode};
use super::json::Node;
use crate::domain::{
    CustomerId, Email, InvalidQuantity, MessageId, Money, Name, OrderId, ProductId, Quantity,
    Reason, Status, UnknownStatus,
};

/// A value without fields.
pub(super) trait Scalar: FromNode {
    /// The rule as far as JSON Schema can express it; never stricter than [`FromNode::from_node`].
    fn schema() -> Schema;
}

/// The schema of a field.
pub(super) fn schema_of<T: Scalar>(_: &mut SchemaGenerator) -> Schema {
    T::schema()
}

/// The schema of a field that may be null, which counts as absent.
pub(super) fn schema_or_null<T: Scalar>(_: &mut SchemaGenerator) -> Schema {
    or_null(T::schema())
}

pub(super) fn or_null(mut schema: Schema) -> Schema {
    let nothing = json!({ "type": "null" });
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.push(nothing);
        return schema;
    }
    json_schema!({ "anyOf": [schema, nothing] })
}

/// A decimal number as text: digits, a point with digits on both sides, an exponent.
const DECIMAL: &str = r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$";

macro_rules! identifier_scalar {
    ($($name:ident),+) => {$(
        impl FromNode for $name {
            fn from_node(node: &Node<'_>, _: &mut Deviations) -> Result<Self, FieldError> {
                Self::new(identifier(node)?).map_err(FieldError::invalid)
            }
        }

        impl Scalar for $name {
            fn schema() -> Schema {
                json_schema!({ "anyOf": [
                    { "type": "integer" },
                    {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": Self::MAX_CHARS,
                        "pattern": r"^[^\u0000-\u001F\u007F-\u009F]*$",
                    },
                ] })
            }
        }
    )+};
}

identifier_scalar!(OrderId, CustomerId, ProductId, MessageId);

/// The text of an identifier, or the digits of an integer as they were sent, in any number.
fn identifier<'t>(node: &'t Node<'t>) -> Result<&'t str, FieldError> {
    match node {
        Node::Text(text) => Ok(text),
        // `-0`, `1.0` and `1e2` can be spelled in a second way, so they do not identify anything.
        Node::Number(digits) if is_integer(digits) && *digits != "-0" => Ok(digits),
        _ => Err(FieldError::invalid("must be text or an integer")),
    }
}

/// Whether a JSON number has neither fraction nor exponent.
fn is_integer(digits: &str) -> bool {
    !digits.contains(['.', 'e', 'E'])
}

macro_rules! text_scalar {
    ($($name:ident),+) => {$(
        impl FromNode for $name {
            fn from_node(node: &Node<'_>, _: &mut Deviations) -> Result<Self, FieldError> {
                match node {
                    Node::Text(text) => Self::new(text.as_ref()).map_err(FieldError::invalid),
                    _ => Err(FieldError::invalid("must be text")),
                }
            }
        }

        impl Scalar for $name {
            fn schema() -> Schema {
                json_schema!({
                    "type": "string",
                    "maxLength": Self::MAX_CHARS,
                    "pattern": r"^[^\u0000]*$",
                })
            }
        }
    )+};
}

text_scalar!(Name, Email, Reason);

impl FromNode for Money {
    /// From a number or a text: both keep their digits.
    fn from_node(node: &Node<'_>, _: &mut Deviations) -> Result<Self, FieldError> {
        match node {
            Node::Number(digits) => digits.parse().map_err(FieldError::invalid),
            Node::Text(text) => text.parse().map_err(FieldError::invalid),
            _ => Err(FieldError::invalid("must be a number, or a number in a text")),
        }
    }
}

impl Scalar for Money {
    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            {
                "description": "At most two decimals.",
                "type": "number",
                "minimum": 0,
                "exclusiveMaximum": 10_000_000_000_u64,
            },
            { "description": "The same as text.", "type": "string", "pattern": DECIMAL },
        ] })
    }
}

impl FromNode for Quantity {
    fn from_node(node: &Node<'_>, deviations: &mut Deviations) -> Result<Self, FieldError> {
        let quantity =
            whole_number(node, deviations).ok_or_else(|| FieldError::invalid(InvalidQuantity))?;
        Self::try_from(quantity).map_err(FieldError::invalid)
    }
}

impl Scalar for Quantity {
    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": i32::MAX },
            { "description": "The same as text.", "type": "string", "pattern": DECIMAL },
        ] })
    }
}

impl FromNode for Status {
    /// By name, or by code in any spelling of an integer.
    fn from_node(node: &Node<'_>, deviations: &mut Deviations) -> Result<Self, FieldError> {
        if let Some(code) = whole_number(node, deviations) {
            return Self::try_from(code).map_err(FieldError::invalid);
        }
        match node {
            Node::Text(name) => name.parse().map_err(FieldError::invalid),
            _ => Err(FieldError::invalid(UnknownStatus)),
        }
    }
}

impl Scalar for Status {
    fn schema() -> Schema {
        let codes = Self::ALL.map(Self::code);
        json_schema!({ "anyOf": [
            {
                "description": "The name, in any case and with any word separator, or the code.",
                "type": "string",
                "minLength": 1,
                "examples": Self::ALL.map(Self::name),
            },
            {
                "description": "The code.",
                "type": "integer",
                "minimum": codes[0],
                "maximum": codes[codes.len() - 1],
            },
        ] })
    }
}

/// An integer as `2`, or as languages without integers write it: `2.0`, `"2"`.
fn whole_number(node: &Node<'_>, deviations: &mut Deviations) -> Option<i64> {
    let (digits, is_plain) = match node {
        Node::Number(digits) => (*digits, is_integer(digits)),
        Node::Text(text) => (text.as_ref(), false),
        _ => return None,
    };
    let number = if is_plain { digits.parse().ok()? } else { without_fraction(digits)? };
    deviations.coerced_fields += usize::from(!is_plain);
    Some(number)
}

/// Parses `2.0` or `2e3` without a binary float: with the parser of money, whose maximum is far above
/// any quantity or code.
fn without_fraction(digits: &str) -> Option<i64> {
    let hundredths = digits.parse::<Money>().ok()?.cents();
    (hundredths % 100 == 0).then_some(hundredths / 100)
}

/// A known field whose value is ignored.
#[derive(Debug)]
pub(crate) struct Ignored;

impl FromNode for Ignored {
    fn from_node(_: &Node<'_>, _: &mut Deviations) -> Result<Self, FieldError> {
        Ok(Self)
    }
}

impl Scalar for Ignored {
    fn schema() -> Schema {
        json_schema!({})
    }
}
