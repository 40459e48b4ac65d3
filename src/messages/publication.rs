//! A message for the broker, and the result of its publication.

use std::borrow::Cow;

use super::Properties;

/// A message on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub target: Target,
    pub properties: Properties,
    pub body: Vec<u8>,
}

/// Where a message goes; the adapter knows the names of exchanges and queues.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The commands exchange.
    Commands { routing_key: String },
    /// The partitions of the commands, past the commands exchange.
    Partition { routing_key: String },
    /// The events exchange.
    Events { routing_key: String },
    /// One queue, by its name: whoever asked for a reply.
    Queue { name: String },
    /// The delay before attempt `attempt` (1 for the first retry); comes back by itself.
    Retry { attempt: u32 },
    /// The dead letters.
    DeadLetters { routing_key: String },
}

impl Target {
    /// Routing key or name of a queue, for log lines.
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

/// What became of one message of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublishStatus {
    /// The broker has taken responsibility for it.
    Confirmed,
    /// No queue wanted it: the broker dropped it.
    Unroutable,
    /// The broker could not take it (a nack), or ends the channel over it. Some of the queues that it
    /// is for may have it.
    Refused,
    /// No confirm came in time although the connection lives: a queue behind it does not answer. It
    /// may or may not be anywhere.
    Unconfirmed,
    /// It was for a queue of the worker's own and was not published.
    OwnQueue,
}

impl PublishStatus {
    /// The word in metrics and log lines.
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
/// Why a reply was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    Refused,
    Unroutable,
    Unconfirmed,
    /// It was for a queue of the worker's own.
    OwnQueue,
    /// Too many replies waited.
    Overflow,
}

impl DropReason {
    pub const ALL: [Self; 5] =
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

    /// None for a reply that was taken.
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
    pub fn may_pass(self) -> bool {
        match self {
            Self::Refused | Self::Unconfirmed => true,
            Self::Unroutable | Self::OwnQueue | Self::Overflow => false,
        }
    }
}
