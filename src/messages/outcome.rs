//! The outcomes of a message: a closed set, matched without a catch-all.

use std::time::Duration;

use strum::EnumCount;

use super::OutboxMessage;
use crate::domain::{OrderId, Rejection, Status};

/// The outcome of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is committed. There may be none, as for an order that already has the status.
    Accepted(OrderState),
    /// It took effect before.
    Duplicate(Option<OrderState>),
    /// A business rule rejected it.
    Rejected(OrderState, Rejection),
    /// It cannot be processed yet.
    RetryLater(RetryReason),
    /// It can never be processed in this form.
    DeadLetter(DeadLetterReason),
}

/// An order's status after a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderState {
    pub order_id: OrderId,
    pub status: Status,
}

/// Why a message is retried later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryReason {
    /// The command may have arrived before the one that places its order.
    #[error("order {order_id} does not exist (yet)")]
    OrderNotFound { order_id: OrderId },
}

/// Why a message was dead-lettered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct DeadLetterReason {
    pub code: DeadLetterCode,
    /// A readable explanation. Names the invalid field, if there is one, but never contains its
    /// value.
    pub detail: String,
    /// The path of the invalid field in the body, such as `items[3].quantity`.
    pub field: Option<String>,
}

/// The reason codes of dead letters. They are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount)]
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
    pub const ALL: [Self; Self::COUNT] = [
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

    /// `field` violates `rule`, such as "must be positive".
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
    /// The reason after the last retry.
    fn from(reason: RetryReason) -> Self {
        match &reason {
            RetryReason::OrderNotFound { .. } => {
                Self::new(DeadLetterCode::OrderNotFound, reason.to_string())
            }
        }
    }
}

impl Outcome {
    /// The code, if the message is dead-lettered.
    pub fn dead_letter_code(&self) -> Option<DeadLetterCode> {
        match self {
            Self::DeadLetter(reason) => Some(reason.code),
            Self::Accepted(_) | Self::Duplicate(_) | Self::Rejected(..) | Self::RetryLater(_) => {
                None
            }
        }
    }

    /// The name in replies, logs and metrics.
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

/// The result of a batch.
#[derive(Debug, Default)]
pub struct BatchResult {
    /// One for each message that is not `locked`, in their order.
    pub outcomes: Vec<Outcome>,
    /// The indexes of messages that were not processed, because another transaction has locked
    /// their order or the database fails on them: they must be retried before any later message of
    /// these orders.
    pub locked: Vec<usize>,
    /// The messages to publish, in this order. May start with messages of earlier commits that are
    /// still in the outbox.
    pub to_publish: Vec<OutboxMessage>,
    /// The duration of each commit.
    pub commits: Vec<Duration>,
    /// The number of conflicts with other transactions.
    pub conflicts: u64,
}
