//! The port through which messages go out.

use std::borrow::Cow;
use std::fmt::Debug;

use async_trait::async_trait;

use super::{Backoff, Health, Properties};

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

/// Why nothing is known about a window: the connection broke, or could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the broker took no messages: {0}")]
pub struct PublishError(pub String);

/// Publishes windows of messages.
#[async_trait]
pub trait Publisher: Debug + Send + Sync {
    /// Publishes the window in its order and waits until each message is judged by itself.
    ///
    /// The result MUST hold one status for each message, in the same order. A returned message MUST
    /// be told from its neighbours by its message id. A message whose confirm does not come MUST
    /// end as [`PublishStatus::Unconfirmed`] within a bounded time, the time of a blocked connection
    /// not counted; a target that was slow before MUST delay later windows only briefly. A reply
    /// ([`Target::Queue`]) MUST NOT reach a queue of the worker's own.
    ///
    /// One message that the broker does not accept MUST NOT keep the others from being published; these
    /// may be published more than once then.
    ///
    /// Cancel safety: a window that was dropped midway may be published in part.
    ///
    /// # Errors
    /// When the connection broke or could not be opened. Some of the messages may have been
    /// published; publishing the window again is then the caller's choice.
    async fn publish(&mut self, window: &[Publication])
    -> Result<Vec<PublishStatus>, PublishError>;
}

/// Publishes a window once, and again only after trouble with the connection: then without end. The
/// caller stops it by dropping the future.
pub async fn publish_window(
    publisher: &mut dyn Publisher,
    health: &Health,
    window: &[Publication],
) -> Vec<PublishStatus> {
    let mut backoff = Backoff::for_broker();
    loop {
        match publisher.publish(window).await {
            Ok(statuses) => {
                health.publishes();
                return statuses;
            }
            Err(error) => health.cannot_publish(&error.to_string()),
        }
        backoff.pause().await;
    }
}
