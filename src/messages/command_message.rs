//! A decoded command with its metadata.

use crate::domain::{Command, MessageId};

/// A valid command with the metadata from its envelope.
#[derive(Debug, Clone)]
pub struct Message {
    pub command: Command,
    /// `None` if the publisher sent no message id.
    pub idempotency_key: Option<IdempotencyKey>,
    pub correlation_id: Option<String>,
    /// The queue for the reply.
    pub reply_to: Option<String>,
    /// W3C trace context, copied to the events.
    pub traceparent: Option<String>,
}

/// Identifies a message for deduplication: the same id with the same body is a duplicate, with
/// another body an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub message_id: MessageId,
    pub body_hash: BodyHash,
}

/// The first 16 bytes of the SHA-256 of the command name and the body.
pub type BodyHash = [u8; 16];

impl Message {
    pub fn message_id(&self) -> Option<&MessageId> {
        self.idempotency_key.as_ref().map(|key| &key.message_id)
    }

    /// The correlation id of replies and events: that of the command, or else its message id.
    pub fn correlation(&self) -> Option<&str> {
        self.correlation_id.as_deref().or_else(|| self.message_id().map(MessageId::as_str))
    }
}
