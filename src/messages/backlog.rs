//! Messages that wait: in the queues, in the outbox, as dead letters.

use std::time::Duration;

/// What comes in from the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumedQueue {
    Commands,
    DeadLetters,
}

impl ConsumedQueue {
    pub const ALL: [Self; 2] = [Self::Commands, Self::DeadLetters];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// Most rows that are counted; more would cost the database too much.
pub const MAX_COUNTED: u32 = 100_000;

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
    /// How many have such a code.
    pub fn of(&self, is_meant: impl Fn(&str) -> bool) -> u64 {
        self.counts.iter().filter(|(code, _)| is_meant(code)).map(|(_, count)| count).sum()
    }
}
