//! The work of each kind of job. All of it returns how many dead letters it did not try.

use std::sync::Arc;

use super::{JobLine, JobProgress};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{
    AuditEntry, DeadLetterStore, Decision, DryRun, DryRunOutcome, Replay, ReplayResult,
};

/// Dry-runs dead letters, one after the other.
///
/// # Errors
/// When the database fails.
pub async fn dry_run(
    mut dry_run: DryRun,
    dead_letters: Arc<dyn DeadLetterStore>,
    progress: JobProgress,
) -> Result<usize, StoreError> {
    for id in progress.ids_until_stopped() {
        match dead_letters.dead_letter(id).await? {
            Some(record) => {
                let outcome = dry_run.of(&record).await?.outcome;
                let line = JobLine { id, outcome: outcome.as_str(), detail: outcome.detail() };
                progress.add(line, is_problem(&outcome));
            }
            None => progress.add(JobLine { id, outcome: "not there", detail: String::new() }, true),
        }
    }
    Ok(progress.not_tried())
}

fn is_problem(outcome: &DryRunOutcome) -> bool {
    outcome.failure().is_some() || matches!(outcome, DryRunOutcome::Superseded { .. })
}

/// Replays dead letters.
///
/// # Errors
/// When the database fails.
pub async fn replay(mut replay: Replay, progress: JobProgress) -> Result<usize, StoreError> {
    replay.stop = progress.stop();
    let report = |ReplayResult { id, outcome }: ReplayResult| {
        let line = JobLine { id, outcome: outcome.as_str(), detail: outcome.detail() };
        progress.add(line, !outcome.is_handled());
    };
    replay.run(&progress.ids(), report).await
}

/// Discards or restores dead letters.
///
/// # Errors
/// When the database fails.
pub async fn decide(
    decision: Decision,
    audit_entry: AuditEntry,
    dead_letters: Arc<dyn DeadLetterStore>,
    progress: JobProgress,
) -> Result<usize, StoreError> {
    for id in progress.ids_until_stopped() {
        let is_done = decision.apply(&*dead_letters, id, &audit_entry).await?;
        let outcome = if is_done { decision.as_str() } else { decision.why_unchanged() };
        progress.add(JobLine { id, outcome, detail: String::new() }, !is_done);
    }
    Ok(progress.not_tried())
}
