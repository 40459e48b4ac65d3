//! Giving a dead letter another body, tried out before anything is kept.

use super::dry_run::{DryRun, DryRunOutcome};
use super::parse::{as_sent, pattern_of, subject_of};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{DeadLetterRecord, Reason, Revision};

/// Another body, and what a replay with it would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedEdit {
    pub revision: Revision,
    pub prospect: DryRunOutcome,
}

impl CheckedEdit {
    /// For the record.
    pub fn verdict(&self) -> String {
        format!("would be {}: {}", self.prospect.as_str(), self.prospect.detail())
    }
}

impl DryRun {
    /// Tries a dead letter out with another body. Nothing changes.
    ///
    /// # Errors
    /// When the database is in trouble.
    pub async fn with_body(
        &mut self,
        stored: &DeadLetterRecord,
        body: Vec<u8>,
    ) -> Result<CheckedEdit, StoreError> {
        let mut revised = stored.clone();
        revised.dead_letter.body = body;
        let prospect = self.of(&revised).await?.prospect;
        let reason = prospect.failure().map(|failure| Reason {
            code: failure.code.as_str().to_owned(),
            pattern: pattern_of(&failure.detail),
            detail: failure.detail,
        });
        let subject = subject_of(&as_sent(&revised.dead_letter));
        Ok(CheckedEdit {
            revision: Revision { body: revised.dead_letter.body, subject, reason },
            prospect,
        })
    }
}
