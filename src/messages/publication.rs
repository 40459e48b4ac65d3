//! A message to publish, and its result.

use std::borrow::Cow;

use strum::EnumCount;

use super::Properties;

/// A message to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub target: Target,
    pub properties: Properties,
    pub body: Vec<u8>,
}

/// The destination of a message. The adapter knows the names of exchanges and queues.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The commands exchange.
    Commands { routing_key: String },
    /// The partitions of the commands, bypassing the commands exchange.
    Partition { routing_key: String },
    /// The events exchange.
    Events { routing_key: String },
    /// A queue by name, for replies.
    Queue { name: String },
    /// The queue of retry `attempt`, starting at 1, from which the message returns after a delay.
    Retry { attempt: u32 },
    /// The dead letters.
    DeadLetters { routing_key: String },
}

impl Target {
    /// The routing key or the name of the queue, for logs.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Commands { routing_key }
            | Self::Partition { routing_key }
            | Self::Events { routing_key } => routing_key.into(),
            Self::DeadLetters { .. } => "dead letters".into(),
            Self::Queue { name } => name.into(),
            Self::Retry { attempt } => format!("retry {attempt}").into(),
        }
    }
}

/// The result of publishing one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublishStatus {
    /// The broker confirmed it (ack).
    Confirmed,
    /// No queue is bound for it: the broker returned it.
    Unroutable,
    /// The broker refused it (nack), or closed the channel because of it. Some of its queues may
    /// have it.
    Refused,
    /// No confirm arrived in time on a working connection, because a queue does not respond. The
    /// message may or may not be in its queues.
    Unconfirmed,
    /// Its destination is one of the worker's own queues, so it was not published.
    OwnQueue,
}

impl PublishStatus {
    /// The name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unroutable => "unroutable",
            Self::Refused => "refused",
            Self::Unconfirmed => "unconfirmed",
            Self::OwnQueue => "own_queue",
        }
    }
}

/// Why a reply was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum DropReason {
    Refused,
    Unroutable,
    Unconfirmed,
    /// Its destination is one of the worker's own queues.
    OwnQueue,
    /// Too many replies were queued.
    Overflow,
}

impl DropReason {
    pub const ALL: [Self; Self::COUNT] =
        [Self::Refused, Self::Unroutable, Self::Unconfirmed, Self::OwnQueue, Self::Overflow];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unroutable => "unroutable",
            Self::Unconfirmed => "unconfirmed",
            Self::OwnQueue => "own_queue",
            Self::Overflow => "overflow",
        }
    }

    /// `None` if it was confirmed.
    pub fn of(status: PublishStatus) -> Option<Self> {
        match status {
            PublishStatus::Confirmed => None,
            PublishStatus::Refused => Some(Self::Refused),
            PublishStatus::Unroutable => Some(Self::Unroutable),
            PublishStatus::Unconfirmed => Some(Self::Unconfirmed),
            PublishStatus::OwnQueue => Some(Self::OwnQueue),
        }
    }

    /// Whether a later attempt may succeed.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Refused | Self::Unconfirmed => true,
            Self::Unroutable | Self::OwnQueue | Self::Overflow => false,
        }
    }
}
