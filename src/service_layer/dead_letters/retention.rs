//! What is old enough goes.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::{DeadLetterStore, Retention};
use crate::service_layer::Clock;

/// Between two looks for what is old enough.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

/// Most rows of a kind that go in one transaction: some milliseconds of work.
const MOST_AT_ONCE: u32 = 500;

/// Between two transactions, so that others get their turn.
const BREATH: Duration = Duration::from_millis(100);

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPeriods {
    /// From the last change on.
    pub dead_letters: TimeDelta,
    pub handled_messages: TimeDelta,
    /// Of completed and cancelled orders; none: for ever.
    pub history: Option<TimeDelta>,
}

/// Removes what is old enough, in small batches, until dropped.
pub async fn prune_for_ever(
    store: impl DeadLetterStore,
    periods: RetentionPeriods,
    clock: Arc<dyn Clock>,
) {
    loop {
        let now = clock.now();
        let retention = Retention {
            dead_letters_until: now - periods.dead_letters,
            handled_until: now - periods.handled_messages,
            history_until: periods.history.map(|period| now - period),
        };
        match store.prune(&retention, MOST_AT_ONCE).await {
            Ok(pruned) if pruned.total() > 0 => {
                let (letters, messages) = (pruned.dead_letters, pruned.handled_messages);
                tracing::debug!(
                    letters,
                    messages,
                    history = pruned.history,
                    "Old rows are removed"
                );
                tokio::time::sleep(BREATH).await;
            }
            Ok(_) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(error) => {
                tracing::debug!(%error, "Old rows cannot be removed, trying again later");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}
