//! The last five minutes of a worker, for whoever looks at it now.

mod histogram_snapshot;
mod snapshot;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use histogram_snapshot::HistogramSnapshot;
pub use snapshot::Snapshot;

/// Between two looks.
pub const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How many are kept: five minutes of them, and the one before.
pub const MAX_LOOKS: usize = 151;

/// Looks at the counters, the oldest first.
#[derive(Debug, Default)]
pub struct MetricsHistory(Mutex<VecDeque<Arc<Snapshot>>>);

impl MetricsHistory {
    pub fn push(&self, look: Snapshot) {
        let mut looks = self.lock();
        if looks.len() == MAX_LOOKS {
            looks.pop_front();
        }
        looks.push_back(Arc::new(look));
    }

    pub fn looks(&self) -> Vec<Arc<Snapshot>> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Snapshot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
