//! Limits the rate of log lines about frequent events.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Minimum time between two lines.
const INTERVAL: Duration = Duration::from_secs(30);

/// Allows one line, then at most one every 30 s.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    count: u64,
}

impl LogThrottle {
    /// Counts events. Returns the number since the last line if a line is due.
    pub fn add(&self, count: u64) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += count;
        if state.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return None;
        }
        state.last = Some(Instant::now());
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_second_line_has_the_count_since_the_first() {
        let throttle = LogThrottle::default();
        assert_eq!(throttle.add(3), Some(3));
        assert_eq!((throttle.add(2), throttle.add(2)), (None, None));

        tokio::time::advance(INTERVAL).await;

        assert_eq!(throttle.add(1), Some(5));
    }
}
