//! All that the console shows, at one moment.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::HistogramSnapshot;
use crate::metrics::Metrics;
use crate::metrics::sampled::LastAnswers;

/// The counters at one moment. Two looks tell what happened between them.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub at: Instant,
    /// Commands that came, whatever they came from.
    pub received: u64,
    /// Events and answers that the broker confirmed.
    pub published: u64,
    pub unroutable_events: u64,
    /// By the word of the outcome, in the order of [`OUTCOMES`](crate::metrics::OUTCOMES).
    pub outcomes: [u64; 5],
    /// New ones, by code.
    pub dead_letters: BTreeMap<&'static str, u64>,
    pub batch_messages: HistogramSnapshot,
    pub batch_seconds: HistogramSnapshot,
    pub confirm_seconds: HistogramSnapshot,
    pub last_answers: LastAnswers,
    /// When the last command came from each partition; empty with a single one.
    pub last_deliveries: Vec<Option<Instant>>,
}

impl Metrics {
    /// What is to be seen now.
    pub fn look(&self) -> Snapshot {
        Snapshot {
            at: Instant::now(),
            received: self.messages.all_received(),
            published: self.publishing.all_published(),
            unroutable_events: self.publishing.unroutable_events(),
            outcomes: self.messages.outcomes(),
            dead_letters: self.publishing.dead_letters_by_code(),
            batch_messages: self.messages.batch_messages(),
            batch_seconds: self.messages.batch_seconds(),
            confirm_seconds: self.publishing.confirm_seconds(),
            last_answers: self.sampled.last_answers(),
            last_deliveries: self.partitions.last_deliveries(),
        }
    }
}
