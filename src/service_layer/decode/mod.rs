//! The tolerant edge: bytes and properties become a command, or a reason why not.
//!
//! Four steps, each on what the one before has made sure of: `text` (size, UTF-8), `json` (a tree of
//! the whole body), `properties` (which command it is), `commands` (its fields, one by one, by the rules
//! in `scalars`). Nothing behind this module sees a message that is wrong in itself.
//!
//! Types derived with serde would be shorter, and wrong: they take an array for a struct, cannot
//! count the fields that they do not know, and read a price through a binary float.

mod commands;
mod fields;
mod json;
mod place_order;
mod properties;
mod scalars;

use crate::domain::{Command, CommandKind};
use crate::service_layer::{DeadLetterCode, DeadLetterReason, Envelope, IdempotencyKey, Message};

pub(crate) use commands::{CancelOrderBody, SetNextStatusBody, SetStatusBody};
pub(crate) use place_order::PlaceOrderBody;

/// Largest body that is looked into: 256 KiB, some hundred times a usual order.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// What a message turned out to be.
#[derive(Debug)]
pub struct Decoded {
    pub result: Result<Message, DeadLetterReason>,
    /// The command, as far as it is known: of a body that cannot be read, what its envelope says.
    pub kind: Option<CommandKind>,
    pub notes: Deviations,
}

/// What was put up with, for counters and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deviations {
    /// Fields that no rule knows, in the body and in its customer and items.
    pub unknown_fields: usize,
    /// Whole numbers that came as text or with a fraction: `"2"`, `2.0`.
    pub coerced_fields: usize,
    /// The order's total is given, and is not the sum of its items.
    pub total_differs: bool,
}

/// Reads a message. Pure, and never panics, whatever it is given.
///
/// A refusal says which field breaks which rule, in less than 1 KiB and without any value: it goes
/// into logs and headers, where a customer's data must not be.
pub fn decode(envelope: &Envelope) -> Decoded {
    let mut kind = properties::outer_kind(&envelope.properties, &envelope.routing_key);
    let mut notes = Deviations::default();
    let result = message(envelope, &mut kind, &mut notes);
    Decoded { result, kind, notes }
}

fn message(
    envelope: &Envelope,
    known: &mut Option<CommandKind>,
    notes: &mut Deviations,
) -> Result<Message, DeadLetterReason> {
    let Envelope { properties, routing_key, properties_error, body, .. } = envelope;
    properties_error.map_or(Ok(()), |error| Err(properties::unreadable(error)))?;
    let tree = json::parse(text(body)?)?;
    let mut fields = fields::Fields::of(&tree, notes)?;
    let kind = properties::kind(properties, &mut fields, routing_key);
    *known = kind.as_ref().ok().copied();
    let kind = kind?;
    let message_id = properties::message_id(properties, &mut fields)?;
    let command = commands::read_command(kind, fields)?;
    if message_id.is_none() {
        ensure_harmless_to_repeat(&command)?;
    }
    let body_hash =
        |message_id| IdempotencyKey { message_id, body_hash: properties::body_hash(kind, body) };
    Ok(Message {
        command,
        intent: message_id.map(body_hash),
        correlation_id: properties::returned(
            "correlation_id",
            properties.correlation_id.as_deref(),
        )?,
        reply_to: properties::returned("reply_to", properties.reply_to.as_deref())?,
        traceparent: properties::traceparent(&properties.headers).map(str::to_owned),
    })
}

/// A body as text, provided that it is worth reading.
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

/// Without a message id, a repeat cannot be told from a second wish.
fn ensure_harmless_to_repeat(command: &Command) -> Result<(), DeadLetterReason> {
    if command.is_harmless_to_repeat() {
        return Ok(());
    }
    let lacking = if command.order_id().is_none() { "order_id" } else { "from" };
    let detail = format!("{} without {lacking} needs a message id", command.kind());
    Err(DeadLetterReason::new(DeadLetterCode::MessageIdMissing, detail))
}
