//! The port that tells the time.

use chrono::{DateTime, Utc};

/// Tells the present time. Implementations MUST answer in whole microseconds, the precision that
/// both databases keep, so that an event and its row show the same moment.
pub trait Clock: std::fmt::Debug + Send + Sync {
    fn now(&self) -> DateTime<Utc>;
}
