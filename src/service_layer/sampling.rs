//! What waits in the database and at the broker, asked now and then.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{ConsumedQueue, StoreError};
use crate::metrics::Metrics;

/// Most rows that are counted; more would cost the database too much.
pub const MAX_COUNTED: u32 = 100_000;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A look that took long is not repeated before this many times as long has passed: looking must not
/// be what keeps a server busy.
const REST: u32 = 20;

/// Nor later than this.
const MAX_REST: Duration = Duration::from_secs(30);

/// What waits in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Whether there is any order at all.
    pub has_orders: bool,
    pub outbox: Outboxed,
    /// None where there is no table for them.
    pub open_dead_letters: Option<OpenDeadLetters>,
}

/// What waits in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outboxed {
    /// At most [`MAX_COUNTED`].
    pub count: u64,
    /// Since the oldest of them was committed, by the database's clock; none without any.
    pub oldest: Option<Duration>,
}

/// The dead letters that nobody has decided on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenDeadLetters {
    /// By code; at most [`MAX_COUNTED`] in all.
    pub counts: Vec<(String, u64)>,
    /// Since the one of these that failed longest ago did so; none without any.
    pub oldest: Option<Duration>,
}

/// What waits in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages that are in nobody's hands.
    pub ready: u64,
    pub consumers: u64,
}

impl OpenDeadLetters {
    /// How many have such a code.
    pub fn of(&self, is_meant: impl Fn(&str) -> bool) -> u64 {
        self.counts.iter().filter(|(code, _)| is_meant(code)).map(|(_, count)| count).sum()
    }
}

/// A database that can say what waits in it. Each answer MUST cost the same, however large the
/// tables are: rows are counted up to [`MAX_COUNTED`].
#[async_trait]
pub trait BacklogProbe: Debug + Send {
    /// # Errors
    /// When the database is in trouble.
    async fn backlog(&mut self) -> Result<Backlog, StoreError>;
}

/// A broker that can say what waits in its queues.
#[async_trait]
pub trait QueueDepths: Send {
    /// None when the broker does not answer, or has no such queue.
    ///
    /// Cancel safety: dropping the future MUST leave the next question answerable.
    async fn depth(&mut self, inflow: ConsumedQueue) -> Option<QueueDepth>;
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
                let depth = timeout(ANSWER_WITHIN, broker.depth(inflow)).await.ok().flatten();
                metrics.sampled.queue(inflow, depth);
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
