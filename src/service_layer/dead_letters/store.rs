//! The port to the table of dead letters.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use strum::EnumCount;

use super::{
    DeadLetter, DeadLetterCount, DeadLetterCursor, DeadLetterFilter, DeadLetterGroup,
    DeadLetterRecord, DeadLetterSummary, Reason, Subject,
};
use crate::domain::MessageId;
use crate::service_layer::StoreError;

/// An entry in a dead letter's audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: DateTime<Utc>,
    pub who: String,
    pub what: AuditAction,
    pub why: Option<String>,
    /// The result, such as `confirmed`, or the outcome of the dry run.
    pub verdict: String,
}

/// The kinds of actions on a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum AuditAction {
    Replay,
    Edit,
    Discard,
    Restore,
    /// Revealed the e-mail addresses, which the console masks.
    Disclose,
}

impl AuditAction {
    pub const ALL: [Self; Self::COUNT] =
        [Self::Replay, Self::Edit, Self::Discard, Self::Restore, Self::Disclose];

    /// For tables, JSON and the database.
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

/// A new body for a dead letter, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub body: Vec<u8>,
    pub subject: Subject,
    /// Why it would still fail, if it would.
    pub reason: Option<Reason>,
}

/// The times before which rows are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Dead letters last changed before this time, in any state but Replaying.
    pub dead_letters_until: DateTime<Utc>,
    /// Entries of the inbox for messages handled before this time, unless a dead letter has the same
    /// message id.
    pub handled_until: DateTime<Utc>,
    /// Changes of completed and cancelled orders before this time; none: they are kept forever.
    pub history_until: Option<DateTime<Utc>>,
}

/// The number of deleted rows.
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

/// Stores dead letters.
///
/// Each method is one transaction. A change of state MUST be atomic: of two concurrent ones, one
/// succeeds. Every change MUST be recorded with its audit entry in the same transaction.
#[async_trait]
pub trait DeadLetterStore: Debug + Send + Sync {
    /// Stores dead letters. One whose key is in the table MUST have no effect. One that is the latest
    /// replay of a stored dead letter with the same body MUST reopen that row (state open, one more
    /// failure, the new reason and time) instead of adding one; a duplicate of the same failure MUST
    /// have no effect.
    ///
    /// Returns the number of rows that are new or reopened.
    ///
    /// # Errors
    /// When the database fails or rejects one of them; none is stored then.
    async fn collect(
        &self,
        dead_letters: &[DeadLetter],
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError>;

    /// At most `limit` dead letters, the one that failed last first; with `after`, those behind that
    /// position.
    ///
    /// # Errors
    /// When the database fails.
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterCursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, StoreError>;

    /// The ids of those that match, in ascending order; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    async fn dead_letter_ids(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError>;

    /// By code, command and pattern, the largest first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    async fn dead_letter_groups(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterGroup>, StoreError>;

    /// By state and code, the largest first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    async fn dead_letter_counts(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterCount>, StoreError>;

    /// # Errors
    /// When the database fails.
    async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetterRecord>, StoreError>;

    /// The latest dead letter with this message id.
    ///
    /// # Errors
    /// When the database fails.
    async fn dead_letter_of_message(
        &self,
        message_id: &MessageId,
    ) -> Result<Option<DeadLetterRecord>, StoreError>;

    /// The audit log of a dead letter, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    async fn dead_letter_actions(&self, id: i64) -> Result<Vec<AuditEntry>, StoreError>;

    /// Claims a dead letter for a replay: Open → Replaying, with one more replay. Returns none when it
    /// is not open or has had `max_replays`. One that has been Replaying since before
    /// `abandoned_before` can be claimed too: the replay that claimed it has crashed.
    ///
    /// # Errors
    /// When the database fails.
    async fn claim_dead_letter(
        &self,
        id: i64,
        max_replays: u32,
        abandoned_before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<DeadLetterRecord>, StoreError>;

    /// Ends a replay: Replaying → Replayed when the broker has `confirmed` it, else → Open with the
    /// replay not counted. The state stays as it is unless it is still Replaying with this number of
    /// replays (the message may have failed again in the meantime). The audit entry is written in any
    /// case.
    ///
    /// # Errors
    /// When the database fails.
    async fn finish_replay(
        &self,
        id: i64,
        replay: u32,
        confirmed: bool,
        audit_entry: &AuditEntry,
    ) -> Result<(), StoreError>;

    /// Replaces the body of an open dead letter; false when it is not open or no longer in this
    /// revision.
    ///
    /// # Errors
    /// When the database fails.
    async fn revise_dead_letter(
        &self,
        id: i64,
        revision: u32,
        revised: &Revision,
        audit_entry: &AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Open → Discarded; false when it is not open.
    ///
    /// # Errors
    /// When the database fails.
    async fn discard_dead_letter(
        &self,
        id: i64,
        audit_entry: &AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Discarded or Replayed → Open; false when it is neither.
    ///
    /// # Errors
    /// When the database fails.
    async fn restore_dead_letter(
        &self,
        id: i64,
        audit_entry: &AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Writes an audit entry for an action that does not change the dead letter; false when there is
    /// no such dead letter.
    ///
    /// # Errors
    /// When the database fails.
    async fn record_action(&self, id: i64, audit_entry: &AuditEntry) -> Result<bool, StoreError>;

    /// Deletes at most `limit` old rows of each kind.
    ///
    /// # Errors
    /// When the database fails.
    async fn prune(&self, retention: &Retention, limit: u32) -> Result<Pruned, StoreError>;
}
