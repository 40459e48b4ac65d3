//! The port behind the dead letters: what a database must do for them.

use std::future::Future;

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
    pub fn word(self) -> &'static str {
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
pub trait DeadLetterStore: Send + Sync {
    /// Keeps dead letters. One whose key is there already MUST have no effect. One that is the latest
    /// replay of a kept dead letter with the same body MUST open that dead letter again (state open, failures
    /// one more, reason and time of the failure) instead of becoming a further row; a repeat of the
    /// same failure MUST have no effect.
    ///
    /// Returns how many rows are new or open again.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is kept then.
    fn collect(
        &self,
        dead_letters: &[DeadLetter],
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// At most `limit` dead letters, the one that failed last first; those that come after a place
    /// where one is given.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterCursor>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeadLetterSummary>, StoreError>> + Send;

    /// The ids of those that match, in the order in which they came; at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn dead_letter_ids(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;

    /// By code, command and pattern, the largest first; at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn dead_letter_groups(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeadLetterGroup>, StoreError>> + Send;

    /// By state and code, the largest first; at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn dead_letter_counts(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeadLetterCount>, StoreError>> + Send;

    /// # Errors
    /// See [`StoreError`].
    fn dead_letter(
        &self,
        id: i64,
    ) -> impl Future<Output = Result<Option<DeadLetterRecord>, StoreError>> + Send;

    /// The dead letter of a message with this message id, the last one where there are more.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn dead_letter_of_message(
        &self,
        message_id: &MessageId,
    ) -> impl Future<Output = Result<Option<DeadLetterRecord>, StoreError>> + Send;

    /// What was done with a dead letter, the first action first.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn dead_letter_actions(
        &self,
        id: i64,
    ) -> impl Future<Output = Result<Vec<AuditEntry>, StoreError>> + Send;

    /// Takes a dead letter for a replay: it is Replaying, and has one replay more. None when it is
    /// not open, or has had `most_replays`. One that has been Replaying since before
    /// `abandoned_before` is taken over: whoever had it has died.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn claim_dead_letter(
        &self,
        id: i64,
        most_replays: u32,
        abandoned_before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Option<DeadLetterRecord>, StoreError>> + Send;

    /// Ends a replay: Replayed when the broker has `confirmed` it, else open again with the replay
    /// not counted. Has no effect on its state when that is not Replaying with this number of
    /// replays any more (it failed again meanwhile); the action is recorded in any case.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn finish_replay(
        &self,
        id: i64,
        replay: u32,
        confirmed: bool,
        action: &AuditEntry,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives an open dead letter another body; false when it is not open or is not in this revision
    /// any more.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn revise_dead_letter(
        &self,
        id: i64,
        revision: u32,
        revised: &Revision,
        action: &AuditEntry,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Open → Discarded; false when it is not open.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn discard_dead_letter(
        &self,
        id: i64,
        action: &AuditEntry,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Discarded or Replayed → Open; false when it is neither.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn restore_dead_letter(
        &self,
        id: i64,
        action: &AuditEntry,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Records what somebody did with a dead letter that does not change it; false when there is
    /// none.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn record_action(
        &self,
        id: i64,
        action: &AuditEntry,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes at most `limit` rows of each kind that are old enough.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn prune(
        &self,
        retention: &Retention,
        limit: u32,
    ) -> impl Future<Output = Result<Pruned, StoreError>> + Send;
}
