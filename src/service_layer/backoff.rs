//! Exponential backoff with jitter.

use std::time::Duration;

/// Delays that double from `first` to `max`. Each is reduced at random by up to half, so that workers
/// which failed together do not retry together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
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

    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, attempts: 0 }
    }

    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    pub fn next_wait(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.attempts.min(16)).min(self.max);
        self.attempts += 1;
        jittered(whole)
    }

    pub async fn pause(&mut self) {
        tokio::time::sleep(self.next_wait()).await;
    }

    /// Waits for 5 to 10 ms, after which the other transaction has probably ended.
    pub async fn pause_after_conflict(&self) {
        tokio::time::sleep(jittered(Duration::from_millis(10))).await;
    }
}

fn jittered(whole: Duration) -> Duration {
    let half = whole / 2;
    half + Duration::from_micros(fastrand::u64(0..=u64::try_from(half.as_micros()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for whole_ms in [100, 200, 400, 800, 1000, 1000] {
            let whole = Duration::from_millis(whole_ms);
            let wait = backoff.next_wait();
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} for {whole:?}");
        }
    }
}
