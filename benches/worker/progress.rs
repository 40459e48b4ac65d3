//! Progress of a run on standard error.

use std::time::Instant;

pub fn log(line: &str) {
    eprintln!("bench: {line}");
}

/// Counts the steps of a run.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    steps: usize,
    done: usize,
}

impl Progress {
    pub fn of(steps: usize) -> Self {
        Self { started: Instant::now(), steps, done: 0 }
    }

    /// Logs the result of a step.
    pub fn step(&mut self, what: &str, result: &str) {
        self.done += 1;
        let seconds = self.started.elapsed().as_secs();
        log(&format!(
            "{:>3} of {}  {:>2}:{:02}  {what}: {result}",
            self.done,
            self.steps,
            seconds / 60,
            seconds % 60
        ));
    }
}
