//! A predictable clock.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use order_worker::service_layer::Clock;

/// Advances by one second per reading. The start has microseconds, which must survive storage.
#[derive(Debug)]
pub struct TickingClock(Mutex<DateTime<Utc>>);

impl Default for TickingClock {
    fn default() -> Self {
        Self::from("2026-11-20T09:30:00.123456Z")
    }
}

impl From<&str> for TickingClock {
    /// Starts at this time.
    fn from(first: &str) -> Self {
        Self(Mutex::new(moment(first)))
    }
}

impl Clock for TickingClock {
    fn now(&self) -> DateTime<Utc> {
        let mut next = self.0.lock().unwrap();
        let now = *next;
        *next += TimeDelta::seconds(1);
        now
    }
}

/// Parses a time such as `2026-11-20T09:30:00Z`.
pub fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
