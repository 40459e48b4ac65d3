//! What jobs do.

use std::sync::Arc;

use super::{JobLine, Note};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{
    AuditEntry, DeadLetterStore, Decision, DryRun, DryRunOutcome, Progress, Replay,
};

/// Tries dead letters out, one after the other. Answers how many were not tried.
///
/// # Errors
/// When the database is in trouble.
pub async fn rehearse(
    mut rehearsal: DryRun,
    dead_letters: Arc<dyn DeadLetterStore>,
    ids: Arc<[i64]>,
    note: Note,
) -> Result<usize, StoreError> {
    let stop = note.stop();
    for (tried, &id) in ids.iter().enumerate() {
        if stop.is_cancelled() {
            return Ok(ids.len() - tried);
        }
        match dead_letters.dead_letter(id).await? {
            Some(stored) => {
                let prospect = rehearsal.of(&stored).await?.prospect;
                let line = JobLine { id, word: prospect.as_str(), detail: prospect.detail() };
                note.add(line, is_trouble(&prospect));
            }
            None => note.add(JobLine { id, word: "not there", detail: String::new() }, true),
        }
    }
    Ok(0)
}

fn is_trouble(prospect: &DryRunOutcome) -> bool {
    prospect.failure().is_some() || matches!(prospect, DryRunOutcome::Superseded { .. })
}

/// Replays dead letters. Answers how many were not tried.
///
/// # Errors
/// When the database is in trouble.
pub async fn replay(mut replay: Replay, ids: Arc<[i64]>, note: Note) -> Result<usize, StoreError> {
    replay.stop = note.stop();
    let tell = |Progress { id, replayed }: Progress| {
        let line = JobLine { id, word: replayed.as_str(), detail: replayed.detail() };
        note.add(line, !replayed.is_handled());
    };
    replay.run(&ids, tell).await
}

/// Discards or restores dead letters. Answers how many were not tried.
///
/// # Errors
/// When the database is in trouble.
pub async fn decide(
    decision: Decision,
    action: AuditEntry,
    dead_letters: Arc<dyn DeadLetterStore>,
    ids: Arc<[i64]>,
    note: Note,
) -> Result<usize, StoreError> {
    let stop = note.stop();
    for (tried, &id) in ids.iter().enumerate() {
        if stop.is_cancelled() {
            return Ok(ids.len() - tried);
        }
        let is_done = decision.carry_out(&*dead_letters, id, &action).await?;
        let word = if is_done { decision.as_str() } else { decision.why_left() };
        note.add(JobLine { id, word, detail: String::new() }, !is_done);
    }
    Ok(0)
}
