//! What is old enough goes.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{DeadLetterStore, Retention};
use crate::service_layer::Clock;

/// Between two looks for what is old enough.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

/// Most rows of a kind that go in one transaction: some milliseconds of work.
const MAX_AT_ONCE: u32 = 500;

/// Between two transactions, so that others get their turn.
const BREATH: Duration = Duration::from_millis(100);

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPeriods {
    /// From the last change on.
    pub dead_letters: TimeDelta,
    /// None: for ever, as nobody knows how long dead letters wait in their queue.
    pub handled_messages: Option<TimeDelta>,
    /// Of completed and cancelled orders; none: for ever.
    pub history: Option<TimeDelta>,
}

impl RetentionPeriods {
    fn until(&self, now: DateTime<Utc>) -> Retention {
        let handled_until = self.handled_messages.map(|period| now - period);
        Retention {
            dead_letters_until: now - self.dead_letters,
            handled_until: handled_until.unwrap_or(DateTime::UNIX_EPOCH),
            history_until: self.history.map(|period| now - period),
        }
    }
}

/// Removes what is old enough, in small batches, until dropped.
pub async fn prune_for_ever(
    store: Arc<dyn DeadLetterStore>,
    periods: RetentionPeriods,
    clock: Arc<dyn Clock>,
) {
    loop {
        match store.prune(&periods.until(clock.now()), MAX_AT_ONCE).await {
            Ok(pruned) if pruned.total() > 0 => {
                let (dead_letters, messages) = (pruned.dead_letters, pruned.handled_messages);
                tracing::debug!(
                    dead_letters,
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
