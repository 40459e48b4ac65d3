//! The last five minutes of a worker, for whoever looks at it now.

mod look;
mod spread;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use look::Look;
pub use spread::Spread;

/// Between two looks.
pub const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How many are kept: five minutes of them, and the one before.
pub const MOST_LOOKS: usize = 151;

/// Looks at the counters, the oldest first.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Arc<Look>>>);

impl Recent {
    pub fn push(&self, look: Look) {
        let mut looks = self.lock();
        if looks.len() == MOST_LOOKS {
            looks.pop_front();
        }
        looks.push_back(Arc::new(look));
    }

    pub fn looks(&self) -> Vec<Arc<Look>> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Look>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
