//! A command with the envelope in which it came.

use crate::domain::{Command, MessageId};

/// A valid command and what its publisher said about it.
#[derive(Debug, Clone)]
pub struct Message {
    pub command: Command,
    /// Absent for a publisher that gives no message id.
    pub intent: Option<IdempotencyKey>,
    pub correlation_id: Option<String>,
    /// The queue that waits for the outcome.
    pub reply_to: Option<String>,
    /// W3C trace context, passed on unchanged into the events.
    pub traceparent: Option<String>,
}

/// The publisher's name for what it wants, tied to the words in which it said so: the same id with
/// the same body is a repeat, with another body a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub message_id: MessageId,
    pub body_hash: BodyHash,
}

/// The first 16 bytes of the SHA-256 of command name and body.
pub type BodyHash = [u8; 16];

impl Message {
    pub fn message_id(&self) -> Option<&MessageId> {
        self.intent.as_ref().map(|intent| &intent.message_id)
    }

    /// What answers and events carry: the publisher's correlation id, else its message id.
    pub fn correlation(&self) -> Option<&str> {
        self.correlation_id.as_deref().or_else(|| self.message_id().map(MessageId::as_str))
    }
}
