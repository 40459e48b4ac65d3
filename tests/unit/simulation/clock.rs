//! The machine's clock, which jumps now and then.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use order_worker::service_layer::Clock;
use tokio::time::Instant;

use super::chance::Chance;
use super::fault::Fault;
use crate::support::clock::moment;

#[derive(Debug)]
pub struct JumpingClock {
    chance: Chance,
    started: Instant,
    /// How much it is wrong.
    error: Mutex<TimeDelta>,
}

impl JumpingClock {
    pub fn new(chance: Chance) -> Self {
        Self { chance, started: Instant::now(), error: Mutex::new(TimeDelta::zero()) }
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> DateTime<Utc> {
        let mut error = self.error.lock().unwrap();
        if self.chance.fires(Fault::ClockJumped) {
            let minutes = i64::try_from(self.chance.below(120)).unwrap() - 60;
            *error = TimeDelta::minutes(minutes);
        }
        let passed = TimeDelta::from_std(self.started.elapsed()).unwrap();
        moment("2026-11-20T09:30:00.123456Z") + passed + *error
    }
}
