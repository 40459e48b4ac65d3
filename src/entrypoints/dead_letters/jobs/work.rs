//! What jobs do.

use super::{JobLine, Note};
use crate::entrypoints::dead_letters::{Progress, Prospect, Rehearsal, Replay};
use crate::service_layer::dead_letters::DeadLetterStore;
use crate::service_layer::{OrderQueries, Publisher, Store, StoreError};

/// Tries dead letters out, one after the other. Answers how many were not tried.
///
/// # Errors
/// When the database is in trouble.
pub async fn rehearse(
    mut rehearsal: Rehearsal<impl Store, impl OrderQueries>,
    letters: impl DeadLetterStore,
    ids: Vec<i64>,
    note: Note,
) -> Result<usize, StoreError> {
    let stop = note.stop();
    for (tried, &id) in ids.iter().enumerate() {
        if stop.is_cancelled() {
            return Ok(ids.len() - tried);
        }
        match letters.letter(id).await? {
            Some(stored) => {
                let prospect = rehearsal.of(&stored).await?.prospect;
                let line = JobLine { id, word: prospect.word(), detail: prospect.detail() };
                note.add(line, is_trouble(&prospect));
            }
            None => note.add(JobLine { id, word: "not there", detail: String::new() }, true),
        }
    }
    Ok(0)
}

fn is_trouble(prospect: &Prospect) -> bool {
    prospect.failure().is_some() || matches!(prospect, Prospect::Superseded { .. })
}

/// Replays dead letters. Answers how many were not tried.
///
/// # Errors
/// When the database is in trouble.
pub async fn replay(
    mut replay: Replay<impl DeadLetterStore, impl Store, impl OrderQueries, impl Publisher>,
    ids: Vec<i64>,
    note: Note,
) -> Result<usize, StoreError> {
    replay.stop = note.stop();
    let tell = |Progress { id, replayed }: Progress| {
        let line = JobLine { id, word: replayed.word(), detail: replayed.detail() };
        note.add(line, !replayed.is_handled());
    };
    replay.run(&ids, tell).await
}
