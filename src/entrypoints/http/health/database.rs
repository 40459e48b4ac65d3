//! Asks the database whether it is well.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::bootstrap::{Database, Failure};

/// Longest wait for the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long an answer is good: everybody may ask, and must not keep the database busy.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The last answer. Whoever asks meanwhile waits for the one question that is under way.
#[derive(Debug, Default)]
pub struct DatabaseCheck(Mutex<Option<(Instant, DatabaseAnswer)>>);

/// What a database says when it is asked for its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseAnswer {
    /// It has those of this program.
    Migrated,
    /// It has others.
    NotMigrated,
    None,
}

impl DatabaseCheck {
    pub async fn answer(&self, database: &Database) -> DatabaseAnswer {
        let mut last = self.0.lock().await;
        if let Some((at, answer)) = *last
            && at.elapsed() < GOOD_FOR
        {
            return answer;
        }
        let answer = match timeout(ANSWER_WITHIN, database.ensure_migrated()).await {
            Ok(Ok(())) => DatabaseAnswer::Migrated,
            Ok(Err(Failure::NotMigrated)) => DatabaseAnswer::NotMigrated,
            Ok(Err(_)) | Err(_) => DatabaseAnswer::None,
        };
        *last = Some((Instant::now(), answer));
        answer
    }
}
