//! The backlog: messages in the queues and in the outbox, and open dead letters.

use std::time::Duration;

use strum::EnumCount;

/// A queue that the worker consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum ConsumedQueue {
    Commands,
    DeadLetters,
}

impl ConsumedQueue {
    pub const ALL: [Self; Self::COUNT] = [Self::Commands, Self::DeadLetters];

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// Rows are counted up to this number, which bounds the cost of a query.
pub const MAX_COUNTED: u32 = 100_000;

/// The backlog in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Whether there is at least one order.
    pub has_orders: bool,
    pub outbox: OutboxBacklog,
    /// `None` if the database has no table of dead letters.
    pub open_dead_letters: Option<OpenDeadLetters>,
}

/// The messages in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxBacklog {
    /// At most [`MAX_COUNTED`].
    pub count: u64,
    /// The time since the oldest of them was committed, by the database's clock; `None` if there
    /// are none.
    pub oldest: Option<Duration>,
}

/// The dead letters that are neither replayed nor discarded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenDeadLetters {
    /// By code; at most [`MAX_COUNTED`] in total.
    pub counts: Vec<(String, u64)>,
    /// The time since the earliest failure among those counted; `None` if there are none.
    pub oldest: Option<Duration>,
}

/// The depth of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages ready for delivery; unacknowledged ones are not counted.
    pub ready: u64,
    pub consumers: u64,
}

impl QueueDepth {
    /// The messages of several queues together. Each worker consumes all of them, so the consumers are
    /// those of the queue with the most.
    pub fn of_all(queues: &[Self]) -> Self {
        Self {
            ready: queues.iter().map(|queue| queue.ready).sum(),
            consumers: queues.iter().map(|queue| queue.consumers).max().unwrap_or(0),
        }
    }
}

impl OpenDeadLetters {
    /// The number of dead letters whose code satisfies the predicate.
    pub fn of(&self, matches: impl Fn(&str) -> bool) -> u64 {
        self.counts.iter().filter(|(code, _)| matches(code)).map(|(_, count)| count).sum()
    }
}
