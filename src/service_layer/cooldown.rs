//! Keys that expire.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Maximum keys, because clients can choose them.
const MAX_KEYS: usize = 1_000;

/// Remembers each key for a period after it was last added.
#[derive(Debug)]
pub struct Cooldown<K> {
    period: Duration,
    until: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Cooldown<K> {
    pub fn new(period: Duration) -> Self {
        Self { period, until: HashMap::new() }
    }

    /// Adds a key, or restarts its period. Has no effect if the maximum is reached.
    pub fn start(&mut self, key: K) {
        let now = Instant::now();
        if self.until.len() >= MAX_KEYS {
            self.until.retain(|_, until| *until > now);
        }
        if self.until.len() < MAX_KEYS || self.until.contains_key(&key) {
            self.until.insert(key, now + self.period);
        }
    }

    pub fn end<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.until.remove(key);
    }

    pub fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.until.get(key).is_some_and(|until| *until > Instant::now())
    }

    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_forgotten_after_its_period() {
        let mut cooldown = Cooldown::new(Duration::from_secs(30));
        cooldown.start("queue");

        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(cooldown.contains("queue"));
        cooldown.start("queue");
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(cooldown.contains("queue"));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!cooldown.contains("queue"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_keys_is_limited() {
        let mut cooldown = Cooldown::new(Duration::from_secs(30));
        for key in 0..MAX_KEYS + 10 {
            cooldown.start(key);
        }
        assert!(!cooldown.contains(&MAX_KEYS));

        tokio::time::advance(Duration::from_secs(31)).await;
        cooldown.start(MAX_KEYS);
        assert!(cooldown.contains(&MAX_KEYS) && cooldown.until.len() == 1);
    }
}
