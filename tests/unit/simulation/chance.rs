//! Which faults happen, and when, decided by a seed.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fault::Fault;

/// How often each fault happened, by its position in [`Fault::ALL`].
pub type Counts = [u32; Fault::ALL.len()];

/// The random generator of one schedule, and its trace; clones share them.
#[derive(Debug, Clone)]
pub struct Chance {
    state: Arc<Mutex<State>>,
    started: Instant,
}

#[derive(Debug)]
struct State {
    random: fastrand::Rng,
    rates: [u16; Fault::ALL.len()],
    happened: Counts,
    trace: Vec<String>,
}

impl Chance {
    /// Each schedule has some kinds of faults only, so that none masks another.
    pub fn with_faults(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let rates = Fault::ALL.map(|fault| match fault.max_per_mille() {
            0 => 0,
            most if random.bool() => random.u16(1..=most),
            _ => 0,
        });
        Self::with(random, rates)
    }

    /// No faults at all.
    pub fn without_faults(seed: u64) -> Self {
        Self::with(fastrand::Rng::with_seed(seed), [0; Fault::ALL.len()])
    }

    fn with(random: fastrand::Rng, rates: [u16; Fault::ALL.len()]) -> Self {
        let happened = [0; Fault::ALL.len()];
        let state = State { random, rates, happened, trace: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), started: Instant::now() }
    }

    /// No fault happens from now on.
    pub fn stop_faults(&self) {
        self.lock().rates = [0; Fault::ALL.len()];
        self.log("the faults end");
    }

    /// Whether the fault happens this time.
    pub fn fires(&self, fault: Fault) -> bool {
        let fires = {
            let mut state = self.lock();
            let rate = state.rates[fault as usize];
            rate > 0 && state.random.u16(0..1000) < rate
        };
        if fires {
            self.happened(fault);
        }
        fires
    }

    pub fn happened(&self, fault: Fault) {
        self.lock().happened[fault as usize] += 1;
        self.log(&format!("! {fault:?}"));
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&self, end: usize) -> usize {
        self.lock().random.usize(0..end.max(1))
    }

    /// A duration of up to `max`.
    pub fn wait(&self, max: Duration) -> Duration {
        let max_ms = u64::try_from(max.as_millis()).unwrap();
        Duration::from_millis(self.lock().random.u64(0..=max_ms))
    }

    /// The latency of each request to a server: a kill can happen between any two steps.
    pub async fn latency(&self) {
        sleep(self.wait(Duration::from_millis(5))).await;
    }

    /// Waits up to `max`, if the fault happens.
    pub async fn delay_on(&self, fault: Fault, max: Duration) {
        if self.fires(fault) {
            sleep(self.wait(max)).await;
        }
    }

    /// Adds a line to the trace.
    pub fn log(&self, line: &str) {
        let at = self.started.elapsed().as_millis();
        self.lock().trace.push(format!("{at:>7} ms  {line}"));
    }

    pub fn counts(&self) -> Counts {
        self.lock().happened
    }

    pub fn trace(&self) -> Vec<String> {
        self.lock().trace.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}
