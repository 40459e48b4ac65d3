//! The values without fields of their own: how each is read, beside what its schema says of it.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::Deviations;
use super::fields::{FieldError, Read};
use super::json::Node;
use crate::domain::{
    CustomerId, Email, InvalidQuantity, MessageId, Money, Name, OrderId, ProductId, Quantity,
    Reason, Status, UnknownStatus,
};

/// A value that is read as a whole.
pub(super) trait Leaf: Read {
    /// The rule as far as JSON Schema can say it; never stricter than [`Read::read`].
    fn schema() -> Schema;
}

/// The schema of a field.
pub(super) fn schema_of<T: Leaf>(_: &mut SchemaGenerator) -> Schema {
    T::schema()
}

/// The schema of a field whose absence may also be said with null.
pub(super) fn schema_or_null<T: Leaf>(_: &mut SchemaGenerator) -> Schema {
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

/// A decimal number in a text: digits, a point with digits on both sides, an exponent.
const DECIMAL: &str = r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$";

macro_rules! identifier_leaf {
    ($($name:ident),+) => {$(
        impl Read for $name {
            fn read(node: &Node<'_>, _: &mut Deviations) -> Result<Self, FieldError> {
                Self::new(identifier(node)?).map_err(FieldError::invalid)
            }
        }

        impl Leaf for $name {
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

identifier_leaf!(OrderId, CustomerId, ProductId, MessageId);

/// The text of an identifier, or the digits of an integer just as they are: how many there are and
/// what they count is the business of whoever gave the name.
fn identifier<'t>(node: &'t Node<'t>) -> Result<&'t str, FieldError> {
    match node {
        Node::Text(text) => Ok(text),
        // `-0`, `1.0` and `1e2` have a second spelling, so they cannot name one thing.
        Node::Number(digits) if is_integer(digits) && *digits != "-0" => Ok(digits),
        _ => Err(FieldError::invalid("must be text or an integer")),
    }
}

/// Whether a JSON number has neither fraction nor exponent.
fn is_integer(digits: &str) -> bool {
    !digits.contains(['.', 'e', 'E'])
}

macro_rules! text_leaf {
    ($($name:ident),+) => {$(
        impl Read for $name {
            fn read(node: &Node<'_>, _: &mut Deviations) -> Result<Self, FieldError> {
                match node {
                    Node::Text(text) => Self::new(text.as_ref()).map_err(FieldError::invalid),
                    _ => Err(FieldError::invalid("must be text")),
                }
            }
        }

        impl Leaf for $name {
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

text_leaf!(Name, Email, Reason);

impl Read for Money {
    /// From a number or a text alike: both show their digits.
    fn read(node: &Node<'_>, _: &mut Deviations) -> Result<Self, FieldError> {
        match node {
            Node::Number(digits) => digits.parse().map_err(FieldError::invalid),
            Node::Text(text) => text.parse().map_err(FieldError::invalid),
            _ => Err(FieldError::invalid("must be a number, or a number in a text")),
        }
    }
}

impl Leaf for Money {
    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            {
                "description": "At most two decimals.",
                "type": "number",
                "minimum": 0,
                "exclusiveMaximum": 10_000_000_000_u64,
            },
            { "description": "The same in a text.", "type": "string", "pattern": DECIMAL },
        ] })
    }
}

impl Read for Quantity {
    fn read(node: &Node<'_>, notes: &mut Deviations) -> Result<Self, FieldError> {
        let pieces =
            whole_number(node, notes).ok_or_else(|| FieldError::invalid(InvalidQuantity))?;
        Self::try_from(pieces).map_err(FieldError::invalid)
    }
}

impl Leaf for Quantity {
    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": i32::MAX },
            { "description": "The same in a text.", "type": "string", "pattern": DECIMAL },
        ] })
    }
}

impl Read for Status {
    /// By name, or by code in any spelling of a whole number.
    fn read(node: &Node<'_>, notes: &mut Deviations) -> Result<Self, FieldError> {
        if let Some(code) = whole_number(node, notes) {
            return Self::try_from(code).map_err(FieldError::invalid);
        }
        match node {
            Node::Text(name) => name.parse().map_err(FieldError::invalid),
            _ => Err(FieldError::invalid(UnknownStatus)),
        }
    }
}

impl Leaf for Status {
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

/// A whole number as `2`, and as what languages without integers make of it: `2.0`, `"2"`.
fn whole_number(node: &Node<'_>, notes: &mut Deviations) -> Option<i64> {
    let (digits, is_plain) = match node {
        Node::Number(digits) => (*digits, is_integer(digits)),
        Node::Text(text) => (text.as_ref(), false),
        _ => return None,
    };
    let number = if is_plain { digits.parse().ok()? } else { without_fraction(digits)? };
    notes.coerced_fields += usize::from(!is_plain);
    Some(number)
}

/// Reads `2.0` or `2e3`, never through a binary float: quantities and codes are far below the
/// largest amount of money, whose parser is the one place that knows how decimals are written.
fn without_fraction(digits: &str) -> Option<i64> {
    let hundredths = digits.parse::<Money>().ok()?.cents();
    (hundredths % 100 == 0).then_some(hundredths / 100)
}

/// A field that is known, and whose value does not matter.
#[derive(Debug)]
pub(crate) struct Ignored;

impl Read for Ignored {
    fn read(_: &Node<'_>, _: &mut Deviations) -> Result<Self, FieldError> {
        Ok(Self)
    }
}

impl Leaf for Ignored {
    fn schema() -> Schema {
        json_schema!({})
    }
}
