//! Value types that the layers share: envelopes, commands, outcomes, messages to publish, and
//! backlogs.

mod backlog;
mod command_message;
mod envelope;
mod outbox;
mod outcome;
mod publication;
pub mod wire;

pub use backlog::{
    Backlog, ConsumedQueue, MAX_COUNTED, OpenDeadLetters, OutboxBacklog, QueueDepth,
};
pub use command_message::{BodyHash, IdempotencyKey, Message};
pub use envelope::{Envelope, HeaderValue, Headers, Properties, PropertiesError};
pub use outbox::{
    OutboxEntry, OutboxKey, OutboxMessage, OutboxMessageKind, OutboxRow, RawOutboxKey,
};
pub use outcome::{
    BatchResult, DeadLetterCode, DeadLetterReason, OrderState, Outcome, RetryReason,
};
pub use publication::{DropReason, Publication, PublishStatus, Target};
