//! The tolerant decoder: bytes and properties become a command, or a reason for a dead letter.
//!
//! Four steps, each of which relies on the one before: `text` (size, UTF-8), `json` (a tree of the whole
//! body), `properties` (which command it is), `commands` (its fields, one by one, by the rules in
//! `scalars`). No code behind this module sees an invalid message.
//!
//! Derived serde types would be shorter, and wrong: they accept an array for a struct, cannot count
//! unknown fields, and parse a price through a binary float.

mod commands;
mod fields;
mod foreign;
mod json;
mod place_order;
mod properties;
mod scalars;

use crate::domain::{Command, CommandKind};
use crate::messages::{DeadLetterCode, DeadLetterReason, Envelope, IdempotencyKey, Message};

pub(crate) use commands::{CancelOrderBody, SetNextStatusBody, SetStatusBody};
pub(crate) use place_order::PlaceOrderBody;

/// Maximum size of a body: 256 KiB, some hundred times a usual order.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The result of decoding a message.
#[derive(Debug)]
pub struct Decoded {
    pub result: Result<Message, DeadLetterReason>,
    /// The command, if it is known. Of a malformed body, it comes from property or routing key.
    pub kind: Option<CommandKind>,
    pub deviations: Deviations,
}

/// Deviations from the contract that the decoder accepted, for metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deviations {
    /// Unknown fields, in the body and in its customer and items.
    pub unknown_fields: usize,
    /// Integers sent as text or with a fraction: `"2"`, `2.0`.
    pub coerced_fields: usize,
    /// The order's total is given, and is not the sum of its items.
    pub total_differs: bool,
}

/// Decodes a message. Pure, and never panics, for any input.
///
/// An error names the field and the rule that it breaks, in less than 1 KiB and without any value: it
/// goes into logs and headers, which must not contain customers' data.
pub fn decode(envelope: &Envelope) -> Decoded {
    let mut kind = properties::outer_kind(&envelope.properties, &envelope.routing_key);
    let mut deviations = Deviations::default();
    let result = message(envelope, &mut kind, &mut deviations).map_err(|reason| {
        foreign::recognize(&envelope.properties, &envelope.body).unwrap_or(reason)
    });
    Decoded { result, kind, deviations }
}

fn message(
    envelope: &Envelope,
    known: &mut Option<CommandKind>,
    deviations: &mut Deviations,
) -> Result<Message, DeadLetterReason> {
    let Envelope { properties, routing_key, properties_error, body, .. } = envelope;
    properties_error.map_or(Ok(()), |error| Err(properties::unreadable(error)))?;
    let tree = json::parse(text(body)?)?;
    let mut fields = fields::Fields::of(&tree, deviations)?;
    let kind = properties::kind(properties, &mut fields, routing_key);
    *known = kind.as_ref().ok().copied();
    let kind = kind?;
    let message_id = properties::message_id(properties, &mut fields)?;
    let command = commands::read_command(kind, fields)?;
    if message_id.is_none() {
        ensure_idempotent(&command)?;
    }
    let body_hash =
        |message_id| IdempotencyKey { message_id, body_hash: properties::body_hash(kind, body) };
    Ok(Message {
        command,
        idempotency_key: message_id.map(body_hash),
        correlation_id: properties::returned(
            "correlation_id",
            properties.correlation_id.as_deref(),
        )?,
        reply_to: properties::returned("reply_to", properties.reply_to.as_deref())?,
        traceparent: properties::traceparent(&properties.headers).map(str::to_owned),
    })
}

/// The body as text, within the limit of size.
fn text(body: &[u8]) -> Result<&str, DeadLetterReason> {
    match body.len() {
        0 => Err(DeadLetterReason::new(DeadLetterCode::EmptyBody, "the body has no bytes")),
        1..=MAX_BODY_BYTES => std::str::from_utf8(body).map_err(|error| {
            DeadLetterReason::new(DeadLetterCode::NotUtf8, format!("the body: {error}"))
        }),
        bytes => {
            let detail = format!("the body has {bytes} bytes; at most {MAX_BODY_BYTES} are read");
            Err(DeadLetterReason::new(DeadLetterCode::TooLarge, detail))
        }
    }
}

/// Without a message id, a duplicate cannot be distinguished from a second command.
fn ensure_idempotent(command: &Command) -> Result<(), DeadLetterReason> {
    let Some(missing) = command.missing_for_idempotence() else { return Ok(()) };
    let detail = format!("{} without {missing} needs a message id", command.kind());
    Err(DeadLetterReason::new(DeadLetterCode::MessageIdMissing, detail))
}
