//! The machine's clock.

use chrono::{DateTime, SubsecRound, Utc};

use crate::service_layer::Clock;

/// The machine's clock, in UTC and whole microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}
