//! The metadata of a command: its kind, message id, correlation id, reply queue and trace.

use std::fmt::Display;

use schemars::Schema;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Deviations;
use super::fields::{FieldError, Fields, FromNode};
use super::json::Node;
use super::scalars::{Scalar, or_null};
use crate::domain::{CommandKind, MessageId};
use crate::messages::{
    BodyHash, DeadLetterCode, DeadLetterReason, HeaderValue, Headers, Properties, PropertiesError,
};

/// The fields of the body that are used where the AMQP property is absent.
const TYPE: &str = "type";
const MESSAGE_ID: &str = "message_id";

/// Adds these fields to the schema of a command.
pub(super) fn may_name_itself(schema: &mut Schema) {
    let mut message_id = or_null(MessageId::schema());
    let description = "Identifies the command, so that duplicates have no effect. Used if the AMQP property is absent.";
    message_id.insert("description".to_owned(), description.into());
    let properties = schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
    properties[MESSAGE_ID] = message_id.into();
    properties[TYPE] = json!({
        "description": "The name of the command. Used if the AMQP property is absent.",
        "type": ["string", "null"],
    });
}

/// The kind of command, before the body is parsed.
pub(super) fn outer_kind(properties: &Properties, routing_key: &str) -> Option<CommandKind> {
    match given(properties.kind.as_deref()) {
        Some(name) => CommandKind::from_name(name),
        None => CommandKind::from_routing_key(routing_key),
    }
}

/// The kind of command: from the property, else from the body, else from the routing key. An unknown
/// name is an error and not skipped, as its publisher must have meant something by it. So is a routing
/// key that names another command: the broker's permissions are about routing keys.
pub(super) fn kind(
    properties: &Properties,
    body: &mut Fields<'_, '_>,
    routing_key: &str,
) -> Result<CommandKind, DeadLetterReason> {
    let in_body = body.get(TYPE);
    let in_routing_key = CommandKind::from_routing_key(routing_key);
    let (place, kind) = match (given(properties.kind.as_deref()), in_body) {
        (Some(name), _) => ("property", CommandKind::from_name(name)),
        (None, Some(Node::Text(name))) if !name.is_empty() => {
            ("field", CommandKind::from_name(name))
        }
        (None, None | Some(Node::Text(_))) => {
            return in_routing_key
                .ok_or_else(|| unknown("there is no type, and the routing key names"));
        }
        (None, Some(_)) => return Err(FieldError::invalid("must be text").inside(TYPE).into()),
    };
    let kind = kind.ok_or_else(|| unknown(&format!("the {place} type names")))?;
    match in_routing_key {
        Some(other) if other != kind => {
            let detail = format!("the routing key names {other}, the {place} type {kind}");
            Err(DeadLetterReason::new(DeadLetterCode::CommandMismatch, detail))
        }
        _ => Ok(kind),
    }
}

fn unknown(place: &str) -> DeadLetterReason {
    DeadLetterReason::new(DeadLetterCode::UnknownCommand, format!("{place} no command"))
}

/// The message id: from the property, else from the body.
pub(super) fn message_id(
    properties: &Properties,
    body: &mut Fields<'_, '_>,
) -> Result<Option<MessageId>, DeadLetterReason> {
    let in_body = body.get(MESSAGE_ID);
    if let Some(text) = given(properties.message_id.as_deref()) {
        return MessageId::new(text).map(Some).map_err(|error| in_property(MESSAGE_ID, error));
    }
    match in_body {
        None => Ok(None),
        Some(Node::Text(text)) if text.is_empty() => Ok(None),
        Some(node) => MessageId::from_node(node, &mut Deviations::default())
            .map(Some)
            .map_err(|error| error.inside(MESSAGE_ID).into()),
    }
}

/// A property that is copied to the reply or to events.
pub(super) fn returned(
    name: &str,
    value: Option<&str>,
) -> Result<Option<String>, DeadLetterReason> {
    match given(value) {
        Some(text) if text.chars().any(char::is_control) => {
            Err(in_property(name, "must not contain control characters"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// The reason for a message whose properties could not be decoded in full: none of them can be relied
/// on, not even the message id.
pub(super) fn unreadable(why: PropertiesError) -> DeadLetterReason {
    let detail = match why {
        PropertiesError::TooDeep => "the headers are nested deeper than 32 levels",
        PropertiesError::TooMany => "the headers have more than 256 tables and lists",
        PropertiesError::TooLarge => "the headers do not fit into a frame",
        PropertiesError::NotUtf8 => "a property or the name of a header is not UTF-8",
        PropertiesError::Malformed => "a header is of an unknown type or cut off",
    };
    DeadLetterReason::new(DeadLetterCode::InvalidField, detail)
}

/// Many clients send an empty text for an absent value.
fn given(property: Option<&str>) -> Option<&str> {
    property.filter(|text| !text.is_empty())
}

fn in_property(name: &str, rule: impl Display) -> DeadLetterReason {
    DeadLetterReason::new(DeadLetterCode::InvalidField, format!("the property {name} {rule}"))
}

/// The trace context of the message; a malformed one is ignored.
///
/// The format is version 00 of <https://www.w3.org/TR/trace-context/#traceparent-header>.
pub(super) fn traceparent(headers: &Headers) -> Option<&str> {
    let text = headers.get("traceparent").and_then(HeaderValue::as_text)?;
    let mut parts = text.split('-');
    let mut next = |length| parts.next().filter(|part| is_lower_hex(part, length));
    let (version, trace, parent, _flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
    let is_zero = |part: &str| part.bytes().all(|digit| digit == b'0');
    let is_sound = version != "ff" && !is_zero(trace) && !is_zero(parent);
    (is_sound && parts.next().is_none()).then_some(text)
}

fn is_lower_hex(part: &str, length: usize) -> bool {
    part.len() == length && part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Detects that a message id is reused for another command. It covers the command's name, which may
/// be outside of the body; the NUL byte, which no name contains, separates the two.
pub(super) fn body_hash(kind: CommandKind, body: &[u8]) -> BodyHash {
    let digest =
        Sha256::new().chain_update(kind.name()).chain_update([0]).chain_update(body).finalize();
    let mut hash = BodyHash::default();
    let length = hash.len();
    hash.copy_from_slice(&digest[..length]);
    hash
}
