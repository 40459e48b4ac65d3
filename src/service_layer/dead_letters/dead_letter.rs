//! A dead letter as it is kept for operators.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::service_layer::Properties;

/// A message that could not be processed, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The same for each copy of one dead letter that the broker hands out, and for no other.
    pub key: DeadLetterKey,
    /// Where its publisher sent it.
    pub exchange: String,
    pub routing_key: String,
    /// As they lay in the queue, with the headers of the worker and of the broker.
    pub properties: Properties,
    pub body: Vec<u8>,
    pub reason: Reason,
    /// What its readable part says, for searching.
    pub subject: Subject,
    pub failed_at: DateTime<Utc>,
    /// Attempts at it before it became a dead letter.
    pub attempts: u32,
    /// The dead letter whose replay this is, and which of its replays.
    pub replay_of: Option<(DeadLetterKey, u32)>,
}

/// The first 16 bytes of a SHA-256.
pub type DeadLetterKey = [u8; 16];

/// Why a message is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One of the worker's own codes, or what the broker gave as its reason: `delivery_limit`,
    /// `expired`, `maxlen`, `rejected`; `unknown` without either.
    pub code: String,
    pub detail: String,
    /// The detail without what differs from message to message: numbers and identifiers are `…`.
    pub pattern: String,
}

/// What a dead letter is about, as far as it can be read.
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
    /// With the body of the present revision and the latest reason.
    pub dead_letter: DeadLetter,
    pub state: DeadLetterState,
    pub first_failed_at: DateTime<Utc>,
    /// How often it has become a dead letter: 1, and 1 more for each replay that failed.
    pub failures: u32,
    pub replays: u32,
    /// 1 as it came; one more for each edit.
    pub revision: u32,
    /// The body as it came, where it has been edited since.
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

/// A dead letter without what it holds, for lists: a body may be large.
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
    /// Where it stands in a list.
    pub fn place(&self) -> DeadLetterCursor {
        DeadLetterCursor { failed_at: self.failed_at, id: self.id }
    }
}

/// A place in the list of dead letters, of which the one that failed last is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterCursor {
    pub failed_at: DateTime<Utc>,
    pub id: i64,
}

/// How many there are in a state with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterCount {
    pub state: DeadLetterState,
    pub code: String,
    pub count: u64,
}

/// Where a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadLetterState {
    /// Waits for somebody to decide.
    Open,
    /// Somebody is publishing it.
    Replaying,
    /// The broker has it again. Comes back to [`Self::Open`] if it fails again.
    Replayed,
    /// Given up, until retention takes it.
    Discarded,
}

impl DeadLetterState {
    pub const ALL: [Self; 4] = [Self::Open, Self::Replaying, Self::Replayed, Self::Discarded];

    /// The word in tables.
    pub fn word(self) -> &'static str {
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
        f.pad(self.word())
    }
}

impl FromStr for DeadLetterState {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|state| state.word() == word);
        known.ok_or("must be open, replaying, replayed or discarded")
    }
}

/// Which dead letters; every part that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    pub state: Option<DeadLetterState>,
    pub code: Option<String>,
    /// Empty: those whose command cannot be read.
    pub command: Option<String>,
    pub order_id: Option<String>,
    pub customer_id: Option<String>,
    /// Stands somewhere in the detail, in whatever case.
    pub text: Option<String>,
    /// The publisher's `app_id`.
    pub publisher: Option<String>,
    /// The pattern of the detail: with code and command, one group.
    pub pattern: Option<String>,
    /// Last failed up to this moment.
    pub failed_until: Option<DateTime<Utc>>,
    /// Last failed from this moment on.
    pub failed_from: Option<DateTime<Utc>>,
}

/// Dead letters that look alike.
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
