//! Commands as JSON lines: the format of `publish` and of the worker's standard input.
//!
//! A line is the body of a command, sent byte for byte, or an envelope: an object with the key `body`
//! (JSON, sent byte for byte) or `body_text` (for what is not JSON), and the properties of the message.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::adapters::in_process::Submitted;
use crate::domain::CommandKind;
use crate::messages::{HeaderValue, Headers, Properties};

/// The commands of the demo, in this format.
pub const EXAMPLES: &str = include_str!("../../../examples/commands.ndjson");

/// Why a line is not a command. The texts follow "line 7".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    #[error("is not a JSON object: {0}")]
    NotAnObject(String),
    #[error("is not an envelope: {0}")]
    NotAnEnvelope(String),
    #[error("names no command: give it a \"type\" (such as PlaceOrder) or a \"routing_key\"")]
    NoCommand,
    #[error("has a {0} of more than 255 bytes")]
    TooLong(&'static str),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    body_text: Option<String>,
    routing_key: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    message_id: Option<String>,
    correlation_id: Option<String>,
    reply_to: Option<String>,
    app_id: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
}

/// Parses a line.
///
/// # Errors
/// When it is neither the body of a command with its type, nor an envelope.
pub fn parse_line(line: &str) -> Result<Submitted, InvalidLine> {
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(line).map_err(|error| InvalidLine::NotAnObject(error.to_string()))?;
    if fields.contains_key("body") || fields.contains_key("body_text") {
        return from_envelope(line);
    }
    let kind = fields.get("type").and_then(|kind| serde_json::from_str::<String>(kind.get()).ok());
    let routing_key = kind.as_deref().and_then(routing_key_of).ok_or(InvalidLine::NoCommand)?;
    Ok(Submitted { routing_key, properties: json(), body: line.trim().as_bytes().to_vec() })
}

fn from_envelope(line: &str) -> Result<Submitted, InvalidLine> {
    let not_an_envelope = |error: String| InvalidLine::NotAnEnvelope(error);
    let envelope: Envelope =
        serde_json::from_str(line).map_err(|error| not_an_envelope(error.to_string()))?;
    let body = match (envelope.body, envelope.body_text) {
        (Some(body), None) => body.get().as_bytes().to_vec(),
        (None, Some(text)) => text.into_bytes(),
        _ => return Err(not_an_envelope("it has both body and body_text".to_owned())),
    };
    let by_kind = || envelope.kind.as_deref().and_then(routing_key_of);
    let routing_key =
        envelope.routing_key.clone().or_else(by_kind).ok_or(InvalidLine::NoCommand)?;
    for (name, value) in [
        ("routing_key", Some(&routing_key)),
        ("type", envelope.kind.as_ref()),
        ("message_id", envelope.message_id.as_ref()),
        ("correlation_id", envelope.correlation_id.as_ref()),
        ("reply_to", envelope.reply_to.as_ref()),
        ("app_id", envelope.app_id.as_ref()),
    ] {
        // AMQP's short strings.
        if value.is_some_and(|value| value.len() > 255) {
            return Err(InvalidLine::TooLong(name));
        }
    }
    let properties = Properties {
        kind: envelope.kind,
        message_id: envelope.message_id,
        correlation_id: envelope.correlation_id,
        reply_to: envelope.reply_to,
        app_id: envelope.app_id,
        headers: envelope.headers.into_iter().map(|(name, value)| (name, header(value))).collect(),
        ..json()
    };
    Ok(Submitted { routing_key, properties, body })
}

fn json() -> Properties {
    Properties { content_type: Some("application/json".to_owned()), ..Properties::default() }
}

/// The routing key of a type. An unknown type also reaches the worker, which dead-letters it.
fn routing_key_of(kind: &str) -> Option<String> {
    let word = CommandKind::from_name(kind).map_or("unknown", CommandKind::word);
    (!kind.is_empty()).then(|| format!("order.{word}"))
}

fn header(value: Value) -> HeaderValue {
    match value {
        Value::Null => HeaderValue::Void,
        Value::Bool(value) => HeaderValue::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => HeaderValue::Int(number),
            None => HeaderValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => HeaderValue::Text(text),
        Value::Array(values) => HeaderValue::List(values.into_iter().map(header).collect()),
        Value::Object(fields) => {
            let table: Headers =
                fields.into_iter().map(|(name, value)| (name, header(value))).collect();
            HeaderValue::Table(table)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_sent_byte_for_byte() {
        let line = r#"{"type": "CancelOrder",  "order_id": 1.0}"#;

        let command = parse_line(line).unwrap();

        assert_eq!(command.body, line.as_bytes());
        assert_eq!(command.routing_key, "order.cancel");
    }

    #[test]
    fn the_body_of_an_envelope_is_sent_byte_for_byte() {
        let command = parse_line(
            r#"{"routing_key": "order.place", "message_id": "m-1", "body": {"a":  1.50}}"#,
        )
        .unwrap();

        assert_eq!(command.body, br#"{"a":  1.50}"#);
        assert_eq!(command.routing_key, "order.place");
        assert_eq!(command.properties.message_id.as_deref(), Some("m-1"));
    }

    #[test]
    fn what_is_not_json_can_be_sent_as_text() {
        let command = parse_line(r#"{"type": "PlaceOrder", "body_text": "{oops"}"#).unwrap();

        assert_eq!(command.body, b"{oops");
        assert_eq!(command.properties.kind.as_deref(), Some("PlaceOrder"));
    }

    #[test]
    fn an_unknown_command_still_reaches_the_worker() {
        assert_eq!(parse_line(r#"{"type": "PolishOrder"}"#).unwrap().routing_key, "order.unknown");
    }

    #[test]
    fn an_invalid_line_says_why() {
        for (line, wanted) in [
            ("{oops", "is not a JSON object"),
            ("[1]", "is not a JSON object"),
            (r#"{"order_id": 1}"#, "names no command"),
            (r#"{"body": {}}"#, "names no command"),
            (
                r#"{"body": {}, "body_text": "", "type": "SetStatus"}"#,
                "has both body and body_text",
            ),
            (r#"{"body": {}, "type": "SetStatus", "colour": 1}"#, "unknown field `colour`"),
        ] {
            let error = parse_line(line).unwrap_err().to_string();
            assert!(error.contains(wanted), "{line}: {error}");
        }
        let long = format!(
            r#"{{"body": {{}}, "type": "SetStatus", "message_id": "{}"}}"#,
            "x".repeat(256)
        );
        assert_eq!(parse_line(&long).unwrap_err(), InvalidLine::TooLong("message_id"));
    }
}
