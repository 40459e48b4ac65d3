//! What can become of a message: a closed set, matched without a catch-all wherever it matters.

use std::time::Duration;

use super::OutboxMessage;
use crate::domain::{OrderId, Rejection, Status};

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is committed (which may be none: an order set to the status that it has).
    Accepted(OrderState),
    /// It had its effect before.
    Duplicate(Option<OrderState>),
    /// A rule of the domain refused it.
    Rejected(OrderState, Rejection),
    /// It cannot be judged yet.
    RetryLater(RetryReason),
    /// It can never be processed as it is.
    DeadLetter(DeadLetterReason),
}

/// An order as it stood after a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderState {
    pub order_id: OrderId,
    pub status: Status,
}

/// Why a message is to be tried again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryReason {
    /// The command may have overtaken the one that places its order.
    #[error("order {order_id} does not exist (yet)")]
    OrderNotFound { order_id: OrderId },
}

/// Why a message went to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct DeadLetterReason {
    pub code: DeadLetterCode,
    /// For people; names the field where one is at fault. Never holds the value itself.
    pub detail: String,
    /// The field of the body at fault, where it is one: `items[3].quantity`.
    pub field: Option<String>,
}

/// The stable reasons for a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadLetterCode {
    EmptyBody,
    TooLarge,
    NotUtf8,
    UnsupportedEncoding,
    UnsupportedEnvelope,
    MalformedJson,
    DuplicateKey,
    MissingField,
    InvalidField,
    UnknownCommand,
    CommandMismatch,
    MessageIdMissing,
    MessageIdReused,
    OrderIdReused,
    OrderNotFound,
    InternalError,
}

impl DeadLetterCode {
    pub const ALL: [Self; 16] = [
        Self::EmptyBody,
        Self::TooLarge,
        Self::NotUtf8,
        Self::UnsupportedEncoding,
        Self::UnsupportedEnvelope,
        Self::MalformedJson,
        Self::DuplicateKey,
        Self::MissingField,
        Self::InvalidField,
        Self::UnknownCommand,
        Self::CommandMismatch,
        Self::MessageIdMissing,
        Self::MessageIdReused,
        Self::OrderIdReused,
        Self::OrderNotFound,
        Self::InternalError,
    ];

    /// The name in headers, replies, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmptyBody => "empty_body",
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::UnsupportedEnvelope => "unsupported_envelope",
            Self::MalformedJson => "malformed_json",
            Self::DuplicateKey => "duplicate_key",
            Self::MissingField => "missing_field",
            Self::InvalidField => "invalid_field",
            Self::UnknownCommand => "unknown_command",
            Self::CommandMismatch => "command_mismatch",
            Self::MessageIdMissing => "message_id_missing",
            Self::MessageIdReused => "message_id_reused",
            Self::OrderIdReused => "order_id_reused",
            Self::OrderNotFound => "order_not_found",
            Self::InternalError => "internal_error",
        }
    }
}

impl DeadLetterReason {
    pub fn new(code: DeadLetterCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None }
    }

    /// A rule that a field of the body breaks.
    pub fn of_field(code: DeadLetterCode, field: String, rule: &str) -> Self {
        Self { code, detail: format!("{field} {rule}"), field: Some(field) }
    }
}

impl RetryReason {
    pub const ORDER_NOT_FOUND: &'static str = "order_not_found";

    /// The name in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::OrderNotFound { .. } => Self::ORDER_NOT_FOUND,
        }
    }
}

impl From<RetryReason> for DeadLetterReason {
    /// What a message becomes whose last retry has passed.
    fn from(reason: RetryReason) -> Self {
        match &reason {
            RetryReason::OrderNotFound { .. } => {
                Self::new(DeadLetterCode::OrderNotFound, reason.to_string())
            }
        }
    }
}

impl Outcome {
    /// Why the message went to the dead letters, if it did.
    pub fn dead_letter_code(&self) -> Option<DeadLetterCode> {
        match self {
            Self::DeadLetter(reason) => Some(reason.code),
            Self::Accepted(_) | Self::Duplicate(_) | Self::Rejected(..) | Self::RetryLater(_) => {
                None
            }
        }
    }

    /// The word for replies and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Duplicate(_) => "duplicate",
            Self::Rejected(..) => "rejected",
            Self::RetryLater(_) => "retry_later",
            Self::DeadLetter(_) => "dead_lettered",
        }
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct BatchResult {
    /// One for each message that is not among the `locked` ones, in their order.
    pub outcomes: Vec<Outcome>,
    /// The places of messages that had no effect because another transaction has their order, or
    /// because the database fails at them alone, in their order: to be handled again later, before any
    /// other message of these orders.
    pub locked: Vec<usize>,
    /// What the commits left to be published, in this order; may begin with messages of earlier
    /// commits that the outbox still held.
    pub outgoing: Vec<OutboxMessage>,
    /// How long each commit took.
    pub commits: Vec<Duration>,
    /// How often another transaction was faster.
    pub conflicts: u64,
}
