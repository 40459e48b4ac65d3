//! The port for the current time.

use chrono::{DateTime, Utc};

/// The current time. Implementations MUST return whole microseconds, the precision of both databases,
/// so that an event and its row have the same timestamp.
pub trait Clock: std::fmt::Debug + Send + Sync {
    fn now(&self) -> DateTime<Utc>;
}
