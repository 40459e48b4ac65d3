//! Snapshots of the metrics of the last five minutes, for the console.

mod histogram_snapshot;
mod snapshot;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use histogram_snapshot::HistogramSnapshot;
pub use snapshot::Snapshot;

/// Time between two snapshots.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(2);

/// Five minutes, and one snapshot to compute the first difference.
pub const MAX_SNAPSHOTS: usize = 151;

/// The latest snapshots, oldest first.
#[derive(Debug, Default)]
pub struct MetricsHistory(Mutex<VecDeque<Arc<Snapshot>>>);

impl MetricsHistory {
    pub fn push(&self, snapshot: Snapshot) {
        let mut snapshots = self.lock();
        if snapshots.len() == MAX_SNAPSHOTS {
            snapshots.pop_front();
        }
        snapshots.push_back(Arc::new(snapshot));
    }

    pub fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Snapshot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
