//! The port through which messages come in and are settled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{ByteBudget, ByteReservation};

/// A message as its publisher sent it, by whatever way: a queue, HTTP, the table of dead letters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Envelope {
    pub exchange: String,
    pub routing_key: String,
    pub properties: Properties,
    /// Why the properties are not as they were sent, where they are not.
    pub properties_error: Option<PropertiesError>,
    pub body: Vec<u8>,
}

/// A message as a broker handed it over, to be settled exactly once.
#[derive(Debug)]
pub struct Delivery {
    pub tag: DeliveryTag,
    /// The broker handed it out before: the worker that held it may have died of it.
    pub redelivered: bool,
    pub envelope: Envelope,
    /// The bytes that the message takes of its [budget](super::ByteBudget), where there is one.
    pub reservation: Option<ByteReservation>,
}

/// Why the properties of a message could not be read as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertiesError {
    /// Headers stand within each other on more than 32 levels.
    TooDeep,
    /// Headers have more than 256 tables and lists.
    TooMany,
    /// The properties do not fit into a frame; headers were left out.
    TooLarge,
    /// A property, or the name of a header, is not UTF-8.
    NotUtf8,
    /// A header is of an unknown type, or cut off.
    Malformed,
}

impl PropertiesError {
    pub const ALL: [Self; 5] =
        [Self::TooDeep, Self::TooMany, Self::TooLarge, Self::NotUtf8, Self::Malformed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooDeep => "too_deep",
            Self::TooMany => "too_many",
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::Malformed => "malformed",
        }
    }
}

/// Names a delivery on the channel that it came by. Delivery tags restart on a new channel, so a
/// tag without its channel could settle another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryTag {
    /// Counts the channels of one source; a tag of an earlier one is stale, and its message is
    /// already with the broker again.
    pub channel: u32,
    pub number: u64,
}

/// What a worker tells a source about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Done with: the broker forgets it.
    Ack(DeliveryTag),
}

/// Where settlements go.
///
/// A source MUST take a settlement with a stale tag without effect, and MUST hand back to the
/// broker whatever is not settled when the last clone of this sender is dropped.
pub type AckSender = mpsc::UnboundedSender<Vec<Settlement>>;

/// A broker's queue as the consumer sees it: what comes in, and where to settle it.
///
/// `deliveries` ends when the source was told to stop or its input is used up; a broken connection
/// MUST NOT end it. Memory is bounded by the source: it never has more unsettled deliveries out
/// than its prefetch, the stale ones not counted, nor more bytes than its budget.
#[derive(Debug)]
pub struct CommandSource {
    pub deliveries: mpsc::Receiver<Delivery>,
    pub settlements: AckSender,
    pub channel_epoch: ChannelEpoch,
}

/// How much a source may have out at a time.
#[derive(Debug, Clone)]
pub struct IntakeBounds {
    /// Most messages.
    pub prefetch: u16,
    /// Most bytes of messages.
    pub bytes: ByteBudget,
}

/// The number of the channel whose tags are good.
#[derive(Debug, Clone, Default)]
pub struct ChannelEpoch(Arc<AtomicU32>);

impl ChannelEpoch {
    /// Makes all tags given so far stale; answers the number of the new channel.
    pub fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether the delivery is with the broker again, which will hand it out once more.
    pub fn is_stale(&self, tag: DeliveryTag) -> bool {
        tag.channel != self.0.load(Ordering::Acquire)
    }
}

/// The properties of a message, as AMQP 0-9-1 names them, also in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// In whole seconds since 1970; whatever the publisher wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// The header table of a message.
pub type Headers = BTreeMap<String, HeaderValue>;

/// A value in a header table. Integers of every width widen to 64 bits.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    Void,
    Bool(bool),
    Int(i64),
    Float(f32),
    Double(f64),
    /// The value is `mantissa / 10^scale`.
    Decimal {
        scale: u8,
        mantissa: u32,
    },
    Text(String),
    /// A long string that is not UTF-8.
    Binary(Vec<u8>),
    ByteArray(Vec<u8>),
    /// In whole seconds since 1970.
    Timestamp(u64),
    List(Vec<HeaderValue>),
    Table(Headers),
}

impl HeaderValue {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for HeaderValue {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
