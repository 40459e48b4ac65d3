//! Samples the backlog of the database and of the queues at intervals, for the metrics.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::StoreError;
use crate::messages::{Backlog, ConsumedQueue, QueueDepth};
use crate::metrics::Metrics;

/// Minimum time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum time for one query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// A query that took long is repeated only after this many times its duration, so that sampling does
/// not keep a server busy.
const PAUSE_FACTOR: u32 = 20;

/// Maximum pause after a slow query.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Reads the backlog of a database. The cost MUST NOT grow with the size of the tables: rows are
/// counted up to [`MAX_COUNTED`](crate::messages::MAX_COUNTED).
#[async_trait]
pub trait BacklogProbe: Debug + Send {
    /// # Errors
    /// When the database is unavailable or the query fails.
    async fn backlog(&mut self) -> Result<Backlog, StoreError>;
}

/// Reads the depth of the broker's queues.
#[async_trait]
pub trait QueueDepths: Send {
    /// One depth for each queue: the commands have a queue for each partition. `None` when the broker
    /// does not respond, or a queue does not exist.
    ///
    /// Cancel safety: after the future is dropped, the next call MUST work.
    async fn depths(&mut self, queue: ConsumedQueue) -> Option<Vec<QueueDepth>>;
}

/// Samples the backlog until `stop` is cancelled. Failed queries are recorded as well.
pub async fn sample_backlog(
    mut database: Box<dyn BacklogProbe>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let sample = async {
        loop {
            let began = Instant::now();
            let backlog =
                timeout(QUERY_TIMEOUT, database.backlog()).await.ok().and_then(Result::ok);
            metrics.sampled.record_backlog(backlog.as_ref());
            pause_after(began).await;
        }
    };
    stop.run_until_cancelled(sample).await;
}

/// Samples the depth of the queues until `stop` is cancelled. Returns `broker`, so that the caller
/// can close its connection.
pub async fn sample_queues<B: QueueDepths>(
    mut broker: B,
    metrics: Metrics,
    stop: CancellationToken,
) -> B {
    let sample = async {
        loop {
            let began = Instant::now();
            for queue in ConsumedQueue::ALL {
                let depths = timeout(QUERY_TIMEOUT, broker.depths(queue)).await.ok().flatten();
                metrics.sampled.record_depth(queue, depths.as_deref().map(QueueDepth::of_all));
                if queue == ConsumedQueue::Commands {
                    metrics.sampled.record_partitions(&depths.unwrap_or_default());
                }
            }
            pause_after(began).await;
        }
    };
    stop.run_until_cancelled(sample).await;
    broker
}

async fn pause_after(began: Instant) {
    sleep((began.elapsed() * PAUSE_FACTOR).clamp(SAMPLE_INTERVAL, MAX_PAUSE)).await;
}
