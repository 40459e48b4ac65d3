//! The port behind the dead letters: what a database must do for them.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    DeadLetter, DeadLetterCount, DeadLetterCursor, DeadLetterFilter, DeadLetterGroup,
    DeadLetterRecord, DeadLetterSummary, Reason, Subject,
};
use crate::domain::MessageId;
use crate::service_layer::StoreError;

/// What somebody did with a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: DateTime<Utc>,
    pub who: String,
    pub what: AuditAction,
    pub why: Option<String>,
    /// What came of it, such as `confirmed`, or what a dry run said.
    pub verdict: String,
}

/// The kinds of actions on a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    Replay,
    Edit,
    Discard,
    Restore,
    /// Looked at what the console hides: the e-mail addresses in it.
    Disclose,
}

impl AuditAction {
    pub const ALL: [Self; 5] =
        [Self::Replay, Self::Edit, Self::Discard, Self::Restore, Self::Disclose];

    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Edit => "edit",
            Self::Discard => "discard",
            Self::Restore => "restore",
            Self::Disclose => "disclose",
        }
    }
}

/// A new body for a dead letter, and what can be read in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub body: Vec<u8>,
    pub subject: Subject,
    /// Why it would still fail; none if it would not.
    pub reason: Option<Reason>,
}

/// Until when rows are old enough to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Dead letters that are replayed or discarded, last changed before this moment, and open ones
    /// that last changed before it as well.
    pub dead_letters_until: DateTime<Utc>,
    /// Messages handled before this moment. Those whose id a dead letter has stay.
    pub handled_until: DateTime<Utc>,
    /// Changes of orders before this moment; none: they stay for ever.
    pub history_until: Option<DateTime<Utc>>,
}

/// How many rows went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    pub dead_letters: u64,
    pub handled_messages: u64,
    pub history: u64,
}

impl Pruned {
    pub fn total(self) -> u64 {
        self.dead_letters + self.handled_messages + self.history
    }
}

/// Keeps dead letters.
///
/// Each method is one transaction. A change of state MUST be atomic: of two that want the same dead
/// dead letter, one gets it. Every change MUST be recorded with its action in the same transaction.
#[async_trait]
pub trait DeadLetterStore: Debug + Send + Sync {
    /// Keeps dead letters. One whose key is there already MUST have no effect. One that is the latest
    /// replay of a kept dead letter with the same body MUST open that dead letter again (state open, failures
    /// one more, reason and time of the failure) instead of becoming a further row; a repeat of the
    /// same failure MUST have no effect.
    ///
    /// Returns how many rows are new or open again.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is kept then.
    async fn collect(
        &self,
        dead_letters: &[DeadLetter],
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError>;

    /// At most `limit` dead letters, the one that failed last first; those that come after a place
    /// where one is given.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterCursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, StoreError>;

    /// The ids of those that match, in the order in which they came; at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn dead_letter_ids(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError>;

    /// By code, command and pattern, the largest first; at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn dead_letter_groups(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterGroup>, StoreError>;

    /// By state and code, the largest first; at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn dead_letter_counts(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterCount>, StoreError>;

    /// # Errors
    /// See [`StoreError`].
    async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetterRecord>, StoreError>;

    /// The dead letter of a message with this message id, the last one where there are more.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn dead_letter_of_message(
        &self,
        message_id: &MessageId,
    ) -> Result<Option<DeadLetterRecord>, StoreError>;

    /// What was done with a dead letter, the first action first.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn dead_letter_actions(&self, id: i64) -> Result<Vec<AuditEntry>, StoreError>;

    /// Takes a dead letter for a replay: it is Replaying, and has one replay more. None when it is
    /// not open, or has had `most_replays`. One that has been Replaying since before
    /// `abandoned_before` is taken over: whoever had it has died.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn claim_dead_letter(
        &self,
        id: i64,
        most_replays: u32,
        abandoned_before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<DeadLetterRecord>, StoreError>;

    /// Ends a replay: Replayed when the broker has `confirmed` it, else open again with the replay
    /// not counted. Has no effect on its state when that is not Replaying with this number of
    /// replays any more (it failed again meanwhile); the action is recorded in any case.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn finish_replay(
        &self,
        id: i64,
        replay: u32,
        confirmed: bool,
        action: &AuditEntry,
    ) -> Result<(), StoreError>;

    /// Gives an open dead letter another body; false when it is not open or is not in this revision
    /// any more.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn revise_dead_letter(
        &self,
        id: i64,
        revision: u32,
        revised: &Revision,
        action: &AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Open → Discarded; false when it is not open.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn discard_dead_letter(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError>;

    /// Discarded or Replayed → Open; false when it is neither.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn restore_dead_letter(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError>;

    /// Records what somebody did with a dead letter that does not change it; false when there is
    /// none.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn record_action(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError>;

    /// Removes at most `limit` rows of each kind that are old enough.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn prune(&self, retention: &Retention, limit: u32) -> Result<Pruned, StoreError>;
}
