//! Who acts on dead letters, and the decisions to discard or restore one.

use chrono::{DateTime, Utc};

use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{AuditAction, AuditEntry, DeadLetterStore};

/// Who acts, and why, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub who: String,
    pub why: Option<String>,
}

impl Actor {
    /// The reason is trimmed; one that is blank counts as absent.
    pub fn new(who: &str, why: Option<&str>) -> Self {
        let why = why.map(str::trim).filter(|why| !why.is_empty());
        Self { who: who.to_owned(), why: why.map(str::to_owned) }
    }

    pub fn audit_entry(
        &self,
        at: DateTime<Utc>,
        what: AuditAction,
        verdict: impl Into<String>,
    ) -> AuditEntry {
        let Self { who, why } = self.clone();
        AuditEntry { at, who, what, why, verdict: verdict.into() }
    }
}

/// A change of state that publishes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Open → discarded.
    Discard,
    /// Discarded or replayed → open.
    Restore,
}

impl Decision {
    pub fn audit_entry(self, actor: &Actor, at: DateTime<Utc>) -> AuditEntry {
        match self {
            Self::Discard => actor.audit_entry(at, AuditAction::Discard, "discarded"),
            Self::Restore => actor.audit_entry(at, AuditAction::Restore, "open again"),
        }
    }

    /// Returns false when the dead letter is in another state and stays in it: see
    /// [`Self::why_unchanged`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn apply(
        self,
        dead_letters: &dyn DeadLetterStore,
        id: i64,
        audit_entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Discard => dead_letters.discard_dead_letter(id, audit_entry).await,
            Self::Restore => dead_letters.restore_dead_letter(id, audit_entry).await,
        }
    }

    /// The state that it leads to, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discard => "discarded",
            Self::Restore => "restored",
        }
    }

    /// The state of a dead letter that it does not apply to, for people.
    pub fn why_unchanged(self) -> &'static str {
        match self {
            Self::Discard => "not open",
            Self::Restore => "neither discarded nor replayed",
        }
    }
}
