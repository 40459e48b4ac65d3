//! The metrics of a worker, for Prometheus and for the console.
//!
//! [`Metrics`] is passed by value; all clones share the same counters. [`catalog`] defines the names.
//! Every label has a closed set of values, except `publisher`, which is limited to
//! [`MAX_PUBLISHERS`].

pub mod catalog;
mod commands;
mod definition;
mod deviations;
mod history;
mod http;
mod partitions;
mod process;
mod publishing;
mod sampled;
mod state;

use std::ops::Deref;
use std::sync::Arc;

use prometheus::{Registry, TextEncoder};

pub use commands::{Commands, OUTCOMES, Source};
pub use definition::{Definition, Kind};
pub use deviations::{DeviationCounts, DeviationMetrics, MAX_PUBLISHERS};
pub use history::{HistogramSnapshot, MAX_SNAPSHOTS, MetricsHistory, SNAPSHOT_INTERVAL, Snapshot};
pub use http::Http;
pub use partitions::Partitions;
use process::Process;
pub use publishing::Publishing;
pub use sampled::{LatestSamples, Sampled, Server};
pub use state::{Pause, State};

/// The metrics of one worker; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
pub struct Inner {
    registry: Registry,
    pub commands: Commands,
    pub partitions: Partitions,
    pub deviations: DeviationMetrics,
    pub publishing: Publishing,
    pub state: State,
    pub sampled: Sampled,
    pub http: Http,
    /// Recorded only while HTTP is enabled.
    pub recent: MetricsHistory,
}

impl Metrics {
    pub fn new() -> Self {
        let registry = Registry::new();
        Process::register(&registry);
        Self(Arc::new(Inner {
            commands: Commands::new(&registry),
            partitions: Partitions::new(&registry),
            deviations: DeviationMetrics::new(&registry),
            publishing: Publishing::new(&registry),
            state: State::new(&registry),
            sampled: Sampled::new(&registry),
            http: Http::new(&registry),
            recent: MetricsHistory::default(),
            registry,
        }))
    }

    /// All metrics in the Prometheus text format.
    pub fn text(&self) -> String {
        // Fails only for a family without metrics, which `gather` omits.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Metrics {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
