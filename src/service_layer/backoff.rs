//! How long to wait before trying again.

use std::time::Duration;

/// Waits that double from `first` to `most`, each cut at random to between a half and the whole, so
/// that workers which failed together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    attempts: u32,
}

impl Backoff {
    /// 100 ms, 200 ms, … 5 s.
    pub fn for_database() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// 200 ms, 400 ms, … 5 s.
    pub fn for_broker() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(5))
    }

    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, attempts: 0 }
    }

    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.attempts.min(16)).min(self.most);
        self.attempts += 1;
        between_half_and_whole(whole)
    }

    pub async fn pause(&mut self) {
        tokio::time::sleep(self.next_wait()).await;
    }

    /// A short wait, up to 10 ms, after which the faster transaction is most likely done.
    pub async fn pause_after_conflict(&self) {
        tokio::time::sleep(between_half_and_whole(Duration::from_millis(10))).await;
    }
}

fn between_half_and_whole(whole: Duration) -> Duration {
    let half = whole / 2;
    half + Duration::from_micros(fastrand::u64(0..=u64::try_from(half.as_micros()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for whole_ms in [100, 200, 400, 800, 1000, 1000] {
            let whole = Duration::from_millis(whole_ms);
            let wait = backoff.next_wait();
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} for {whole:?}");
        }
    }
}
