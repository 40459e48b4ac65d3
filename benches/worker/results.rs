//! All figures of a run, as in the JSON file.
#![expect(clippy::float_arithmetic, reason = "figures")]

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// UTC.
    pub date: String,
    pub machine: Machine,
    pub versions: Versions,
    pub conditions: Conditions,
    pub stages: Vec<Stage>,
    /// Messages per second: cores / (c1 + c2 + c3), where c is the CPU seconds per message of a stage.
    pub limit: Option<f64>,
    pub backlogs: Vec<Backlog>,
    pub latencies: Vec<Latency>,
    /// From publishing a message to receiving its event, one message at a time.
    pub idle: Option<Percentiles>,
    pub growth: Vec<Growth>,
    pub memory: Option<Memory>,
    pub database: Option<Database>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: Option<f64>,
    pub system: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Versions {
    pub order_worker: String,
    /// The commit, with a + when files were changed since.
    pub commit: Option<String>,
    pub rabbitmq: Option<String>,
    pub postgresql: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conditions {
    pub messages: usize,
    pub rounds: u32,
    pub seed: u64,
    pub synchronous_commit: String,
}

/// The median of all rounds, and their range.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

/// CPU microseconds per message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cpu {
    /// The worker, or the bare client of a stage.
    pub client: f64,
    pub broker: f64,
    pub database: f64,
}

/// One stage of the work, measured alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stage {
    pub name: String,
    pub what: String,
    /// Whether it counts towards the limit.
    pub limits: bool,
    pub messages: usize,
    /// Messages per second.
    pub rate: Spread,
    pub cpu: Option<Cpu>,
}

/// A run that drains a backlog.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backlog {
    pub name: String,
    pub what: String,
    /// The tables in which it appears.
    pub shown: Vec<Table>,
    /// The name of the run to compare with.
    pub against: Option<String>,
    pub messages: usize,
    /// Messages per second.
    pub rate: Spread,
    pub cpu: Option<Cpu>,
    /// MiB of a worker.
    pub peak_memory: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    Full,
    Variants,
    Scaling,
    Others,
}

/// Latency under one load, in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latency {
    /// Percent of the throughput from a backlog.
    pub load: u32,
    /// Messages per second that were due to be sent.
    pub rate: f64,
    /// Messages per second that were confirmed.
    pub reached: f64,
    pub sent_to_committed: Percentiles,
    pub committed_to_confirmed: Percentiles,
    pub sent_to_confirmed: Percentiles,
    /// Percentile, and milliseconds from sent to confirmed.
    pub curve: Vec<(f64, f64)>,
}

/// In milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

/// The cost per order, by the number of orders in the tables.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Growth {
    pub orders: usize,
    /// Messages per second.
    pub rate: Spread,
    pub cpu: Option<Cpu>,
}

/// Resident memory of a worker in MiB.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Memory {
    pub idle: f64,
    pub peak: f64,
    pub after: f64,
    pub after_ten_seconds: f64,
}

/// Database cost per message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Database {
    pub wal_bytes: f64,
    pub commits: f64,
    pub round_trips: f64,
    pub bytes_sent: f64,
}

impl Cpu {
    pub fn sum(&self) -> f64 {
        self.client + self.broker + self.database
    }
}

impl Results {
    /// The backlogs of a table, in order.
    pub fn backlogs_in(&self, table: Table) -> impl Iterator<Item = &Backlog> {
        self.backlogs.iter().filter(move |backlog| backlog.shown.contains(&table))
    }
}
