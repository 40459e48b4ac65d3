//! Deliveries of each partition of the commands to this worker.

use std::sync::{Mutex, OnceLock, PoisonError};

use prometheus::{IntCounter, IntCounterVec, Registry};
use tokio::time::Instant;

use super::catalog;

/// Deliveries by partition. A single partition has no metrics of its own.
#[derive(Debug)]
pub struct Partitions {
    received: IntCounterVec,
    of_each: OnceLock<Vec<Partition>>,
}

#[derive(Debug)]
struct Partition {
    received: IntCounter,
    last: Mutex<Option<Instant>>,
}

impl Partitions {
    pub(super) fn new(registry: &Registry) -> Self {
        let received = catalog::PARTITION_RECEIVED.counters(registry);
        Self { received, of_each: OnceLock::new() }
    }

    /// Exposes the metrics of this many partitions, from 0; without effect for a single one.
    pub fn consumes(&self, partitions: usize) {
        if partitions > 1 {
            let of_partition = |partition: usize| Partition {
                received: self.received.with_label_values(&[partition.to_string()]),
                last: Mutex::default(),
            };
            self.of_each.get_or_init(|| (0..partitions).map(of_partition).collect());
        }
    }

    /// Counts a delivery from this partition.
    pub fn received(&self, partition: usize) {
        if let Some(partition) = self.of_each.get().and_then(|all| all.get(partition)) {
            partition.received.inc();
            *partition.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// The time of the last delivery from each partition; empty with a single partition.
    pub fn last_deliveries(&self) -> Vec<Option<Instant>> {
        let all = self.of_each.get().into_iter().flatten();
        all.map(|it| *it.last.lock().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}
