//! Messages of the outbox: stored in the transaction of the changes that they report, until the
//! broker has confirmed them.

use std::fmt;

use serde::Serialize;
use uuid::{NoContext, Timestamp, Uuid};

use chrono::{DateTime, Utc};
use strum::EnumCount;

use super::wire::{CommandOutcomeBody, OrderCommandRejectedBody, OrderStatusChangedBody};
use super::{Message, Outcome, Properties, Publication, Target};
use crate::domain::{OrderId, Rejected, StatusChanged};

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    pub key: OutboxKey,
    pub kind: OutboxMessageKind,
    /// For a reply, the name of the queue.
    pub routing_key: String,
    pub correlation_id: Option<String>,
    pub traceparent: Option<String>,
    /// JSON.
    pub body: String,
}

/// The identity of an outbox message that is being published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    pub key: OutboxKey,
    pub kind: OutboxMessageKind,
}

/// The key of an outbox row. Sorting by it gives the order in which an order's messages must be
/// published.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboxKey {
    pub order_id: OrderId,
    pub version: i32,
    pub event_id: Uuid,
}

/// The key of a row as stored, which may be invalid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RawOutboxKey {
    pub order_id: String,
    pub version: i64,
    pub event_id: String,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxRow {
    Message(OutboxMessage),
    /// Cannot be decoded: written by a newer version, or damaged. This row and the later events of
    /// its order are not published until an operator repairs or deletes it.
    Unreadable(RawOutboxKey),
}

/// Maximum length of a queue name or routing key in AMQP, in bytes.
const MAX_ROUTING_KEY_BYTES: usize = 255;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumCount)]
pub enum OutboxMessageKind {
    StatusChanged,
    Rejected,
    Reply,
}

impl OutboxMessageKind {
    pub const ALL: [Self; Self::COUNT] = [Self::StatusChanged, Self::Rejected, Self::Reply];

    /// The value in the database.
    pub fn code(self) -> i16 {
        self as i16 + 1
    }

    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i64::from(kind.code()) == code)
    }

    /// The property `type` of these messages.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::StatusChanged => OrderStatusChangedBody::TYPE,
            Self::Rejected => OrderCommandRejectedBody::TYPE,
            Self::Reply => CommandOutcomeBody::TYPE,
        }
    }

    /// Whether it is published to all subscribers; a reply is sent to one queue.
    pub fn is_event(self) -> bool {
        match self {
            Self::StatusChanged | Self::Rejected => true,
            Self::Reply => false,
        }
    }
}

impl RawOutboxKey {
    /// `None` if it is invalid.
    pub fn parse(&self) -> Option<OutboxKey> {
        Some(OutboxKey {
            order_id: OrderId::new(self.order_id.as_str()).ok()?,
            version: self.version.try_into().ok()?,
            event_id: Uuid::try_parse(&self.event_id).ok()?,
        })
    }
}

impl From<&OutboxKey> for RawOutboxKey {
    fn from(key: &OutboxKey) -> Self {
        Self {
            order_id: key.order_id.as_str().to_owned(),
            version: key.version.into(),
            event_id: key.event_id.to_string(),
        }
    }
}

impl fmt::Display for RawOutboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order_id, version, event_id } = self;
        write!(f, "({order_id:?}, {version}, {event_id:?})")
    }
}

impl OutboxRow {
    pub fn key(&self) -> RawOutboxKey {
        match self {
            Self::Message(message) => (&message.key).into(),
            Self::Unreadable(key) => key.clone(),
        }
    }

    /// `None` if it cannot be decoded.
    pub fn into_message(self) -> Option<OutboxMessage> {
        match self {
            Self::Message(message) => Some(message),
            Self::Unreadable(_) => None,
        }
    }
}

impl OutboxMessage {
    /// Whether the routing key is short enough for AMQP.
    pub fn is_routable(&self) -> bool {
        self.routing_key.len() <= MAX_ROUTING_KEY_BYTES
    }

    /// The event for a status change.
    pub fn status_changed(event: StatusChanged, cause: &Message) -> Self {
        let event_id = event_id_at(event.change.at);
        let key = OutboxKey {
            order_id: event.order.order_id().clone(),
            version: event.change.version,
            event_id,
        };
        let routing_key = format!("order.status.{}", event.change.status.word());
        let body = to_json(&OrderStatusChangedBody::new(event_id, event, cause));
        Self::caused_by(cause, key, OutboxMessageKind::StatusChanged, routing_key, body)
    }

    /// The event for a rejected command.
    pub fn rejected(event: &Rejected, cause: &Message) -> Self {
        let event_id = event_id_at(event.at);
        let key = OutboxKey { order_id: event.order_id.clone(), version: event.version, event_id };
        let routing_key = format!("order.rejected.{}", event.command.word());
        let body = to_json(&OrderCommandRejectedBody::new(event_id, event, cause));
        Self::caused_by(cause, key, OutboxMessageKind::Rejected, routing_key, body)
    }

    /// The reply; `None` if the command has no `reply_to`, if the outcome is not final, or if there
    /// is no order whose key the row could have.
    pub fn reply(outcome: &Outcome, version: i32, to: &Message, at: DateTime<Utc>) -> Option<Self> {
        let queue = to.reply_to.clone()?;
        let body = CommandOutcomeBody::new(outcome)?;
        let order_id = OrderId::new(body.order_id?).ok()?;
        let key = OutboxKey { order_id, version, event_id: event_id_at(at) };
        Some(Self::caused_by(to, key, OutboxMessageKind::Reply, queue, to_json(&body)))
    }

    /// Splits it into its identity in the outbox and the message to publish.
    pub fn into_publication(self) -> (OutboxEntry, Publication) {
        let Self { key, kind, routing_key, correlation_id, traceparent, body } = self;
        let target = match kind {
            OutboxMessageKind::StatusChanged | OutboxMessageKind::Rejected => {
                Target::Events { routing_key }
            }
            OutboxMessageKind::Reply => Target::Queue { name: routing_key },
        };
        let traceparent = traceparent.as_deref();
        let properties = Properties {
            kind: Some(kind.type_name().to_owned()),
            message_id: Some(key.event_id.to_string()),
            correlation_id,
            timestamp: seconds_of(key.event_id),
            headers: traceparent
                .map(|value| ("traceparent".to_owned(), value.into()))
                .into_iter()
                .collect(),
            ..Properties::of_this_worker()
        };
        (OutboxEntry { key, kind }, Publication { target, properties, body: body.into_bytes() })
    }

    fn caused_by(
        cause: &Message,
        key: OutboxKey,
        kind: OutboxMessageKind,
        routing_key: String,
        body: String,
    ) -> Self {
        Self {
            key,
            kind,
            routing_key,
            correlation_id: cause.correlation().map(str::to_owned),
            traceparent: cause.traceparent.clone(),
            body,
        }
    }
}

impl Publication {
    /// The reply to a dead-lettered command, to be sent when the dead letter is confirmed. It has
    /// no row in the outbox, as there is no transaction.
    pub fn reply_to(
        queue: String,
        outcome: &Outcome,
        correlation_id: Option<String>,
        at: DateTime<Utc>,
    ) -> Option<Self> {
        let body = CommandOutcomeBody::new(outcome)?;
        let reply_id = event_id_at(at);
        Some(Self {
            target: Target::Queue { name: queue },
            properties: Properties {
                kind: Some(CommandOutcomeBody::TYPE.to_owned()),
                message_id: Some(reply_id.to_string()),
                correlation_id,
                timestamp: seconds_of(reply_id),
                ..Properties::of_this_worker()
            },
            body: to_json(&body).into_bytes(),
        })
    }
}

impl Properties {
    fn of_this_worker() -> Self {
        Self {
            content_type: Some("application/json".to_owned()),
            app_id: Some("order-worker".to_owned()),
            ..Self::default()
        }
    }
}

fn event_id_at(at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, at.timestamp_subsec_nanos()))
}

/// The creation time that a UUID v7 contains, in seconds since 1970.
fn seconds_of(event_id: Uuid) -> Option<u64> {
    event_id.get_timestamp().map(|timestamp| timestamp.to_unix().0)
}

fn to_json(body: &impl Serialize) -> String {
    // Enough for the event of an order with a few items.
    let mut json = Vec::with_capacity(1024);
    serde_json::to_writer(&mut json, body).expect("text, numbers and lists are always JSON");
    String::from_utf8(json).expect("JSON is UTF-8")
}
