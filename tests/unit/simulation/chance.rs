//! What goes wrong, and when: decided by a seed.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fault::Fault;

/// How often each kind happened, by its place in [`Fault::ALL`].
pub type Counts = [u32; Fault::ALL.len()];

/// The dice of one schedule, and the trace of what they said; clones share them.
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
    /// Each schedule has some kinds of trouble and not others, so that none hides another.
    pub fn troubled(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let rates = Fault::ALL.map(|fault| match fault.most() {
            0 => 0,
            most if random.bool() => random.u16(1..=most),
            _ => 0,
        });
        Self::with(random, rates)
    }

    /// No trouble at all.
    pub fn calm(seed: u64) -> Self {
        Self::with(fastrand::Rng::with_seed(seed), [0; Fault::ALL.len()])
    }

    fn with(random: fastrand::Rng, rates: [u16; Fault::ALL.len()]) -> Self {
        let happened = [0; Fault::ALL.len()];
        let state = State { random, rates, happened, trace: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), started: Instant::now() }
    }

    /// From now on nothing more goes wrong.
    pub fn calm_down(&self) {
        self.lock().rates = [0; Fault::ALL.len()];
        self.note("the faults end");
    }

    /// Whether it happens on this occasion.
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
        self.note(&format!("! {fault:?}"));
    }

    /// A number from 0 up to, not including, `end`; 0 when there is none.
    pub fn below(&self, end: usize) -> usize {
        self.lock().random.usize(0..end.max(1))
    }

    /// A wait of up to `most`.
    pub fn wait(&self, most: Duration) -> Duration {
        let most_ms = u64::try_from(most.as_millis()).unwrap();
        Duration::from_millis(self.lock().random.u64(0..=most_ms))
    }

    /// The time that every question to a server takes: room for a kill between any two steps.
    pub async fn latency(&self) {
        sleep(self.wait(Duration::from_millis(5))).await;
    }

    /// Takes longer than usual, should the fault happen.
    pub async fn dawdle(&self, fault: Fault, most: Duration) {
        if self.fires(fault) {
            sleep(self.wait(most)).await;
        }
    }

    /// Adds a line to the trace.
    pub fn note(&self, line: &str) {
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
