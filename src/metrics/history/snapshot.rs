//! The metrics that the console shows, at one point in time.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::HistogramSnapshot;
use crate::metrics::Metrics;
use crate::metrics::sampled::LatestSamples;

/// The metrics at one point in time. The difference of two snapshots is what happened between them.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub at: Instant,
    /// Commands received, from all sources.
    pub received: u64,
    /// Events and replies that the broker confirmed.
    pub published: u64,
    pub unroutable_events: u64,
    /// Commands by outcome, in the order of [`OUTCOMES`](crate::metrics::OUTCOMES).
    pub outcomes: [u64; 5],
    /// Messages dead-lettered, by code.
    pub dead_letters: BTreeMap<&'static str, u64>,
    pub batch_messages: HistogramSnapshot,
    pub batch_seconds: HistogramSnapshot,
    pub confirm_seconds: HistogramSnapshot,
    pub latest_samples: LatestSamples,
    /// The time of the last delivery from each partition; empty with a single partition.
    pub last_deliveries: Vec<Option<Instant>>,
}

impl Metrics {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            at: Instant::now(),
            received: self.commands.total_received(),
            published: self.publishing.all_published(),
            unroutable_events: self.publishing.unroutable_events(),
            outcomes: self.commands.outcomes(),
            dead_letters: self.publishing.dead_letters_by_code(),
            batch_messages: self.commands.batch_messages(),
            batch_seconds: self.commands.batch_seconds(),
            confirm_seconds: self.publishing.confirm_seconds(),
            latest_samples: self.sampled.latest_samples(),
            last_deliveries: self.partitions.last_deliveries(),
        }
    }
}
