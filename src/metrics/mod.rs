//! What the worker counts and measures, for Prometheus and for the console.
//!
//! [`Metrics`] is a value: whoever counts has a clone, and what is counted in one is seen in all. The
//! names stand in [`catalog`]. Labels have closed sets of values, the routes of HTTP among them, but
//! for the names of publishers, of which there are [`MAX_PUBLISHERS`].

pub mod catalog;
mod definition;
mod deviations;
mod history;
mod http;
mod messages;
mod partitions;
mod process;
mod publishing;
mod sampled;
mod state;

use std::ops::Deref;
use std::sync::Arc;

use prometheus::{Registry, TextEncoder};

pub use definition::{Definition, Kind};
pub use deviations::{DeviationCounts, DeviationMetrics, MAX_PUBLISHERS};
pub use history::{HistogramSnapshot, LOOK_AGAIN, MAX_LOOKS, MetricsHistory, Snapshot};
pub use http::Http;
pub use messages::{Messages, OUTCOMES, Source};
pub use partitions::Partitions;
use process::Process;
pub use publishing::Publishing;
pub use sampled::{LastAnswers, Sampled, Server};
pub use state::{Pause, State};

/// The counters of one worker; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Parts>);

#[derive(Debug)]
pub struct Parts {
    registry: Registry,
    pub messages: Messages,
    pub partitions: Partitions,
    pub drift: DeviationMetrics,
    pub publishing: Publishing,
    pub state: State,
    pub sampled: Sampled,
    pub http: Http,
    /// Filled only while somebody may look at it.
    pub recent: MetricsHistory,
}

impl Metrics {
    pub fn new() -> Self {
        let registry = Registry::new();
        Process::register(&registry);
        Self(Arc::new(Parts {
            messages: Messages::new(&registry),
            partitions: Partitions::new(&registry),
            drift: DeviationMetrics::new(&registry),
            publishing: Publishing::new(&registry),
            state: State::new(&registry),
            sampled: Sampled::new(&registry),
            http: Http::new(&registry),
            recent: MetricsHistory::default(),
            registry,
        }))
    }

    /// All metrics in Prometheus' text format.
    pub fn text(&self) -> String {
        // A family without metrics would be an error, and the registry leaves those out.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Metrics {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
