//! A dead letter as it is stored for operators.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use strum::EnumCount;

use crate::messages::Properties;

/// A message that could not be processed, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The same for each delivery of one dead letter, and different for any other.
    pub key: DeadLetterKey,
    /// To which its publisher sent it.
    pub exchange: String,
    pub routing_key: String,
    /// As they were in the dead-letter queue, with the headers that the worker and the broker added.
    pub properties: Properties,
    pub body: Vec<u8>,
    pub reason: Reason,
    /// For searching.
    pub subject: Subject,
    pub failed_at: DateTime<Utc>,
    /// Attempts before it became a dead letter.
    pub attempts: u32,
    /// The dead letter that this message replayed, and the number of that replay.
    pub replay_of: Option<(DeadLetterKey, u32)>,
}

/// The first 16 bytes of a SHA-256.
pub type DeadLetterKey = [u8; 16];

/// Why a message is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One of the worker's own codes, or the broker's reason: `delivery_limit`,
    /// `expired`, `maxlen`, `rejected`; else `unknown`.
    pub code: String,
    pub detail: String,
    /// The detail with `…` in place of numbers and identifiers, which differ between messages.
    pub pattern: String,
}

/// What a dead letter is about, as far as its message can be decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    pub command: Option<String>,
    pub order_id: Option<String>,
    pub customer_id: Option<String>,
}

/// A dead letter in the table.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetterRecord {
    pub id: i64,
    /// With the body of the current revision and the latest reason.
    pub dead_letter: DeadLetter,
    pub state: DeadLetterState,
    pub first_failed_at: DateTime<Utc>,
    /// How often it became a dead letter: 1, plus 1 for each replay that failed.
    pub failures: u32,
    pub replays: u32,
    /// 1 when it was collected, plus 1 for each edit.
    pub revision: u32,
    /// The body as it was collected, if it has been edited since.
    pub original_body: Option<Vec<u8>>,
    pub changed_at: DateTime<Utc>,
}

impl DeadLetterRecord {
    pub fn summary(&self) -> DeadLetterSummary {
        let dead_letter = &self.dead_letter;
        DeadLetterSummary {
            id: self.id,
            state: self.state,
            reason: dead_letter.reason.clone(),
            subject: dead_letter.subject.clone(),
            message_id: dead_letter.properties.message_id.clone(),
            app_id: dead_letter.properties.app_id.clone(),
            first_failed_at: self.first_failed_at,
            failed_at: dead_letter.failed_at,
            attempts: dead_letter.attempts,
            failures: self.failures,
            replays: self.replays,
            revision: self.revision,
            changed_at: self.changed_at,
        }
    }
}

/// A dead letter without body and headers, for lists: a body may be large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterSummary {
    pub id: i64,
    pub state: DeadLetterState,
    pub reason: Reason,
    pub subject: Subject,
    pub message_id: Option<String>,
    /// Its publisher.
    pub app_id: Option<String>,
    pub first_failed_at: DateTime<Utc>,
    pub failed_at: DateTime<Utc>,
    pub attempts: u32,
    pub failures: u32,
    pub replays: u32,
    pub revision: u32,
    pub changed_at: DateTime<Utc>,
}

impl DeadLetterSummary {
    /// Its position in a list.
    pub fn cursor(&self) -> DeadLetterCursor {
        DeadLetterCursor { failed_at: self.failed_at, id: self.id }
    }
}

/// A position in the list of dead letters, which begins with the one that failed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterCursor {
    pub failed_at: DateTime<Utc>,
    pub id: i64,
}

/// The number of dead letters in a state with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterCount {
    pub state: DeadLetterState,
    pub code: String,
    pub count: u64,
}

/// The state of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumCount)]
pub enum DeadLetterState {
    /// Waits for an operator's decision.
    Open,
    /// Claimed by a replay that is publishing it.
    Replaying,
    /// The broker has confirmed its replay. Returns to [`Self::Open`] if it fails again.
    Replayed,
    /// Given up. Can be restored until retention removes it.
    Discarded,
}

impl DeadLetterState {
    pub const ALL: [Self; Self::COUNT] =
        [Self::Open, Self::Replaying, Self::Replayed, Self::Discarded];

    /// For tables, JSON and options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replaying => "replaying",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }
}

impl fmt::Display for DeadLetterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for DeadLetterState {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or("must be open, replaying, replayed or discarded")
    }
}

/// Selects dead letters that match every given part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    pub state: Option<DeadLetterState>,
    pub code: Option<String>,
    /// Empty: those whose command is unknown.
    pub command: Option<String>,
    pub order_id: Option<String>,
    pub customer_id: Option<String>,
    /// Part of the detail, in any case.
    pub text: Option<String>,
    /// The publisher's `app_id`.
    pub publisher: Option<String>,
    /// The pattern of the detail. Together with code and command it identifies a group.
    pub pattern: Option<String>,
    /// Last failed at this time or before.
    pub failed_until: Option<DateTime<Utc>>,
    /// Last failed at this time or later.
    pub failed_from: Option<DateTime<Utc>>,
}

/// Dead letters with the same code, command and pattern of the detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterGroup {
    pub code: String,
    pub command: Option<String>,
    pub pattern: String,
    pub count: u64,
    pub first_failed_at: DateTime<Utc>,
    pub last_failed_at: DateTime<Utc>,
    /// The id of the newest of them.
    pub example: i64,
}
