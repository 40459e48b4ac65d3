//! An edit of a dead letter's body, dry-run before it is saved.

use chrono::{DateTime, Utc};

use super::dry_run::{DryRun, DryRunOutcome};
use super::parse::{as_sent, pattern_of, subject_of};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{
    Actor, AuditAction, DeadLetterRecord, DeadLetterStore, Reason, Revision,
};

/// A new body, and the outcome of a dry run with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedEdit {
    pub revision: Revision,
    pub outcome: DryRunOutcome,
}

impl CheckedEdit {
    /// Saves the new body as the next revision of `record`, with an entry in the audit log. Returns
    /// false when the dead letter is not open or is no longer in that revision.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save(
        &self,
        dead_letters: &dyn DeadLetterStore,
        record: &DeadLetterRecord,
        actor: &Actor,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let verdict = format!("would be {}: {}", self.outcome.as_str(), self.outcome.detail());
        let audit_entry = actor.audit_entry(at, AuditAction::Edit, verdict);
        let revision = record.revision;
        dead_letters.revise_dead_letter(record.id, revision, &self.revision, &audit_entry).await
    }
}

impl DryRun {
    /// Dry-runs a dead letter with another body. Changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn with_body(
        &mut self,
        record: &DeadLetterRecord,
        body: Vec<u8>,
    ) -> Result<CheckedEdit, StoreError> {
        let mut revised = record.clone();
        revised.dead_letter.body = body;
        let outcome = self.of(&revised).await?.outcome;
        let reason = outcome.failure().map(|failure| Reason {
            code: failure.code.as_str().to_owned(),
            pattern: pattern_of(&failure.detail),
            detail: failure.detail,
        });
        let subject = subject_of(&as_sent(&revised.dead_letter));
        Ok(CheckedEdit {
            revision: Revision { body: revised.dead_letter.body, subject, reason },
            outcome,
        })
    }
}
