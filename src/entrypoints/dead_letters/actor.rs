//! Who does something with dead letters, and the decisions that need nothing else.

use chrono::{DateTime, Utc};

use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{ActionKind, DeadLetterStore, LetterAction};

/// Who does something, and why, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub who: String,
    pub why: Option<String>,
}

impl Actor {
    /// With the reason as somebody wrote it; blanks are none.
    #[must_use]
    pub fn new(who: &str, why: Option<&str>) -> Self {
        let why = why.map(str::trim).filter(|why| !why.is_empty());
        Self { who: who.to_owned(), why: why.map(str::to_owned) }
    }

    #[must_use]
    pub fn action(
        &self,
        at: DateTime<Utc>,
        what: ActionKind,
        verdict: impl Into<String>,
    ) -> LetterAction {
        let Self { who, why } = self.clone();
        LetterAction { at, who, what, why, verdict: verdict.into() }
    }

    /// Gives dead letters up. Answers with the ids of those that were left alone: they are not open.
    ///
    /// # Errors
    /// When the database is in trouble; those before are given up then.
    pub async fn discard(
        &self,
        letters: &impl DeadLetterStore,
        ids: &[i64],
        at: DateTime<Utc>,
    ) -> Result<Vec<i64>, StoreError> {
        let action = self.action(at, ActionKind::Discard, "discarded");
        let mut left = Vec::new();
        for &id in ids {
            if !letters.discard_letter(id, &action).await? {
                left.push(id);
            }
        }
        Ok(left)
    }

    /// Opens dead letters again. Answers with the ids of those that were left alone: they are
    /// neither discarded nor replayed.
    ///
    /// # Errors
    /// When the database is in trouble; those before are open then.
    pub async fn restore(
        &self,
        letters: &impl DeadLetterStore,
        ids: &[i64],
        at: DateTime<Utc>,
    ) -> Result<Vec<i64>, StoreError> {
        let action = self.action(at, ActionKind::Restore, "open again");
        let mut left = Vec::new();
        for &id in ids {
            if !letters.restore_letter(id, &action).await? {
                left.push(id);
            }
        }
        Ok(left)
    }
}
