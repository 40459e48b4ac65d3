//! What waits in the database and at the broker, asked now and then.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::StoreError;
use crate::messages::{Backlog, ConsumedQueue, QueueDepth};
use crate::metrics::Metrics;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A look that took long is not repeated before this many times as long has passed: looking must not
/// be what keeps a server busy.
const REST: u32 = 20;

/// Nor later than this.
const MAX_REST: Duration = Duration::from_secs(30);

/// A database that can say what waits in it. Each answer MUST cost the same, however large the
/// tables are: rows are counted up to [`MAX_COUNTED`](crate::messages::MAX_COUNTED).
#[async_trait]
pub trait BacklogProbe: Debug + Send {
    /// # Errors
    /// When the database is in trouble.
    async fn backlog(&mut self) -> Result<Backlog, StoreError>;
}

/// A broker that can say what waits in its queues.
#[async_trait]
pub trait QueueDepths: Send {
    /// Of the commands, one for each partition. None when the broker does not answer, or has no such
    /// queue.
    ///
    /// Cancel safety: dropping the future MUST leave the next question answerable.
    async fn depths(&mut self, inflow: ConsumedQueue) -> Option<Vec<QueueDepth>>;
}

/// Asks the database until `stop` is cancelled, and notes what it says, also when it says nothing.
pub async fn sample_backlog(
    mut database: Box<dyn BacklogProbe>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let look_again = async {
        loop {
            let began = Instant::now();
            let stock = timeout(ANSWER_WITHIN, database.backlog()).await.ok().and_then(Result::ok);
            metrics.sampled.database(stock.as_ref());
            rest(began).await;
        }
    };
    stop.run_until_cancelled(look_again).await;
}

/// The same for the broker. Answers what was asked, for whoever has to close a connection.
pub async fn sample_queues<B: QueueDepths>(
    mut broker: B,
    metrics: Metrics,
    stop: CancellationToken,
) -> B {
    let look_again = async {
        loop {
            let began = Instant::now();
            for inflow in ConsumedQueue::ALL {
                let depths = timeout(ANSWER_WITHIN, broker.depths(inflow)).await.ok().flatten();
                metrics.sampled.queue(inflow, depths.as_deref().map(QueueDepth::of_all));
                if inflow == ConsumedQueue::Commands {
                    metrics.sampled.partitions(&depths.unwrap_or_default());
                }
            }
            rest(began).await;
        }
    };
    stop.run_until_cancelled(look_again).await;
    broker
}

/// After a look that began then.
async fn rest(began: Instant) {
    sleep((began.elapsed() * REST).clamp(LOOK_AGAIN, MAX_REST)).await;
}
