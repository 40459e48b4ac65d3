//! Log lines about what may happen a thousand times a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Shortest time between two lines.
const INTERVAL: Duration = Duration::from_secs(30);

/// Lets the first line through, then one in 30 s.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    count: u64,
}

impl LogThrottle {
    /// Counts what happened; if it is time for a line, how often it happened since the last one.
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
    async fn the_second_line_tells_what_happened_since_the_first() {
        let throttle = LogThrottle::default();
        assert_eq!(throttle.add(3), Some(3));
        assert_eq!((throttle.add(2), throttle.add(2)), (None, None));

        tokio::time::advance(INTERVAL).await;

        assert_eq!(throttle.add(1), Some(5));
    }
}
