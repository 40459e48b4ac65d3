//! Deletes old rows.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{DeadLetterStore, Retention};
use crate::service_layer::Clock;

/// Between two passes, when nothing is left to delete.
const PASS_INTERVAL: Duration = Duration::from_mins(10);

/// Maximum rows of a kind that one transaction deletes: some milliseconds of work.
const MAX_AT_ONCE: u32 = 500;

/// Between two transactions, so that others get their turn.
const BATCH_PAUSE: Duration = Duration::from_millis(100);

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPeriods {
    /// Since the last change.
    pub dead_letters: TimeDelta,
    /// None: forever, because without the collector dead letters may stay in their queue for any time.
    pub handled_messages: Option<TimeDelta>,
    /// Of completed and cancelled orders; none: forever.
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

/// Deletes old rows in small batches, until dropped.
pub async fn prune_forever(
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
                    "Old rows were deleted"
                );
                tokio::time::sleep(BATCH_PAUSE).await;
            }
            Ok(_) => tokio::time::sleep(PASS_INTERVAL).await,
            Err(error) => {
                tracing::debug!(%error, "Old rows cannot be deleted, retrying later");
                tokio::time::sleep(PASS_INTERVAL).await;
            }
        }
    }
}
