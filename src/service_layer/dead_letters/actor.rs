//! Who does something with dead letters, and the decisions that take nothing else.

use chrono::{DateTime, Utc};

use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{AuditAction, AuditEntry, DeadLetterStore};

/// Who does something, and why, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub who: String,
    pub why: Option<String>,
}

impl Actor {
    /// With the reason as somebody wrote it; blanks are none.
    pub fn new(who: &str, why: Option<&str>) -> Self {
        let why = why.map(str::trim).filter(|why| !why.is_empty());
        Self { who: who.to_owned(), why: why.map(str::to_owned) }
    }

    pub fn action(
        &self,
        at: DateTime<Utc>,
        what: AuditAction,
        verdict: impl Into<String>,
    ) -> AuditEntry {
        let Self { who, why } = self.clone();
        AuditEntry { at, who, what, why, verdict: verdict.into() }
    }
}

/// What somebody decides about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// To give it up.
    Discard,
    /// To open it again.
    Restore,
}

impl Decision {
    pub fn action(self, actor: &Actor, at: DateTime<Utc>) -> AuditEntry {
        match self {
            Self::Discard => actor.action(at, AuditAction::Discard, "discarded"),
            Self::Restore => actor.action(at, AuditAction::Restore, "open again"),
        }
    }

    /// False when the dead letter is left alone: see [`Self::why_left`].
    ///
    /// # Errors
    /// When the database is in trouble.
    pub async fn carry_out(
        self,
        dead_letters: &dyn DeadLetterStore,
        id: i64,
        action: &AuditEntry,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Discard => dead_letters.discard_dead_letter(id, action).await,
            Self::Restore => dead_letters.restore_dead_letter(id, action).await,
        }
    }

    /// What a dead letter is then.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discard => "discarded",
            Self::Restore => "restored",
        }
    }

    /// What a dead letter is that is left alone.
    pub fn why_left(self) -> &'static str {
        match self {
            Self::Discard => "not open",
            Self::Restore => "neither discarded nor replayed",
        }
    }
}
