//! The definition of a metric, and how to register it.

use prometheus::core::{Collector, GenericCounterVec, GenericGaugeVec};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// A metric as exposed to Prometheus.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Ends in the unit, or in `_total` for counters.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// The upper bounds of its buckets.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The name in the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

const VALID: &str = "each metric is valid and registered once";

impl Definition {
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Counter, labels, help }
    }

    pub(super) const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Gauge, labels, help }
    }

    pub(super) const fn histogram(
        name: &'static str,
        buckets: &'static [f64],
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Histogram(buckets), labels, help }
    }

    pub(super) fn counters(&self, registry: &Registry) -> IntCounterVec {
        registered(GenericCounterVec::new(self.options(), self.labels), registry)
    }

    /// Integer gauges.
    pub(super) fn gauges(&self, registry: &Registry) -> IntGaugeVec {
        registered(GenericGaugeVec::new(self.options(), self.labels), registry)
    }

    pub(super) fn float_gauges(&self, registry: &Registry) -> GaugeVec {
        registered(GenericGaugeVec::new(self.options(), self.labels), registry)
    }

    pub(super) fn histograms(&self, registry: &Registry) -> HistogramVec {
        let buckets = match self.kind {
            Kind::Histogram(buckets) => buckets.to_vec(),
            Kind::Counter | Kind::Gauge => Vec::new(),
        };
        let options = HistogramOpts::new(self.name, self.help).buckets(buckets);
        registered(HistogramVec::new(options, self.labels), registry)
    }

    pub(super) fn options(&self) -> Opts {
        Opts::new(self.name, self.help)
    }
}

fn registered<C: Collector + Clone + 'static>(
    made: prometheus::Result<C>,
    registry: &Registry,
) -> C {
    let metric = made.expect(VALID);
    registry.register(Box::new(metric.clone())).expect(VALID);
    metric
}
