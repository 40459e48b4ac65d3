//! Rates, percentiles and gauges, computed from snapshots of the last five minutes.

#![expect(clippy::float_arithmetic, reason = "rates are fractions")]

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{HistogramSnapshot, LatestSamples, Snapshot};

/// Snapshots over which rates and percentiles are computed: 10 s. Values over 2 s would flicker.
const INTERVAL_SNAPSHOTS: usize = 5;

/// Snapshots of the last five minutes, from the oldest to the latest.
#[derive(Debug)]
pub struct RecentMetrics {
    snapshots: Vec<Arc<Snapshot>>,
}

/// A value at a point in time.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Before the latest snapshot.
    pub ago: Duration,
    pub value: Option<f64>,
}

/// A metric over the last five minutes.
#[derive(Debug, Default)]
pub struct Series {
    /// From the oldest to the latest.
    pub points: Vec<Point>,
    pub now: Option<f64>,
    pub max: Option<f64>,
}

impl Series {
    fn new(points: Vec<Point>) -> Self {
        let values = points.iter().filter_map(|point| point.value);
        let max = values.reduce(f64::max);
        Self { now: points.last().and_then(|point| point.value), max, points }
    }
}

impl RecentMetrics {
    pub fn new(snapshots: &[Arc<Snapshot>]) -> Self {
        Self { snapshots: snapshots.to_vec() }
    }

    /// Whether there are enough snapshots for a rate.
    pub fn has_rates(&self) -> bool {
        self.snapshots.len() > 1
    }

    /// The rate of a counter per second.
    pub fn rate(&self, count: impl Fn(&Snapshot) -> u64) -> Series {
        self.over_intervals(|from, to| {
            let seconds = (to.at - from.at).as_secs_f64();
            let increase = count(to).saturating_sub(count(from));
            (seconds > 0.0).then(|| exact(increase) / seconds)
        })
    }

    /// A percentile of a histogram.
    pub fn percentile(
        &self,
        percent: u32,
        histogram: impl Fn(&Snapshot) -> &HistogramSnapshot,
    ) -> Series {
        self.over_intervals(|from, to| histogram(to).since(histogram(from)).percentile(percent))
    }

    /// The mean of a histogram.
    pub fn mean(&self, histogram: impl Fn(&Snapshot) -> &HistogramSnapshot) -> Series {
        self.over_intervals(|from, to| histogram(to).since(histogram(from)).mean())
    }

    /// A value sampled from a server.
    pub fn gauge(&self, gauge: impl Fn(&LatestSamples) -> Option<u64>) -> Series {
        let value = |snapshot: &Snapshot| gauge(&snapshot.latest_samples).map(exact);
        let points = self.snapshots.iter().map(|it| self.point(it, value(it)));
        Series::new(points.collect())
    }

    /// The increase of a counter over the five minutes.
    pub fn increase(&self, count: impl Fn(&Snapshot) -> u64) -> u64 {
        match (self.snapshots.first(), self.snapshots.last()) {
            (Some(first), Some(last)) => count(last).saturating_sub(count(first)),
            _ => 0,
        }
    }

    pub fn latest(&self) -> Option<&Snapshot> {
        self.snapshots.last().map(|snapshot| &**snapshot)
    }

    fn over_intervals(&self, value: impl Fn(&Snapshot, &Snapshot) -> Option<f64>) -> Series {
        let after_the_first = self.snapshots.iter().enumerate().skip(1);
        let points = after_the_first.map(|(index, to)| {
            let from = &self.snapshots[index.saturating_sub(INTERVAL_SNAPSHOTS)];
            self.point(to, value(from, to))
        });
        Series::new(points.collect())
    }

    fn point(&self, snapshot: &Snapshot, value: Option<f64>) -> Point {
        let latest = self.snapshots.last().map_or(snapshot.at, |latest| latest.at);
        Point { ago: latest - snapshot.at, value }
    }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no counter gets that far")]
fn exact(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::messages::QueueDepth;
    use crate::metrics::{MAX_SNAPSHOTS, Metrics, SNAPSHOT_INTERVAL};

    /// Snapshots at the usual interval, with these counts of received commands.
    fn metrics(received: &[u64]) -> RecentMetrics {
        let first = Metrics::new().snapshot();
        let snapshots = (0..).zip(received).map(|(index, received)| {
            let at = first.at + SNAPSHOT_INTERVAL * index;
            Arc::new(Snapshot { at, received: *received, ..first.clone() })
        });
        RecentMetrics { snapshots: snapshots.collect() }
    }

    #[test]
    fn a_rate_is_computed_over_ten_seconds_or_what_there_is() {
        let rate = metrics(&[0, 20, 20, 20, 20, 20, 20]).rate(|it| it.received);

        let values: Vec<_> = rate.points.iter().filter_map(|point| point.value).collect();
        assert_eq!(values, [10.0, 5.0, 20.0 / 6.0, 2.5, 2.0, 0.0]);
        assert_eq!((rate.now, rate.max), (Some(0.0), Some(10.0)));
    }

    #[test]
    fn points_are_as_old_as_their_snapshots() {
        let rate = metrics(&[0, 0, 0]).rate(|it| it.received);

        let ago: Vec<_> = rate.points.iter().map(|point| point.ago).collect();
        assert_eq!(ago, [Duration::from_secs(2), Duration::ZERO]);
    }

    #[test]
    fn the_kept_snapshots_span_five_minutes() {
        let metrics = Metrics::new();
        for _ in 0..200 {
            metrics.recent.push(metrics.snapshot());
        }

        assert_eq!(metrics.recent.snapshots().len(), MAX_SNAPSHOTS);
        assert_eq!(
            SNAPSHOT_INTERVAL * u32::try_from(MAX_SNAPSHOTS - 1).unwrap(),
            Duration::from_mins(5)
        );
    }

    #[test]
    fn the_increase_is_between_the_first_and_the_latest_snapshot() {
        assert_eq!(metrics(&[7, 9, 30]).increase(|it| it.received), 23);
        assert_eq!(metrics(&[]).increase(|it| it.received), 0);
    }

    #[test]
    fn a_gauge_without_a_sample_is_a_gap() {
        let mut metrics = metrics(&[0, 0]);
        let latest = Arc::make_mut(&mut metrics.snapshots[1]);
        latest.latest_samples.commands = Some(QueueDepth { ready: 4, consumers: 1 });

        let gauge = metrics.gauge(|it| Some(it.commands?.ready));

        assert_eq!(gauge.points[0].value, None);
        assert_eq!((gauge.now, gauge.max), (Some(4.0), Some(4.0)));
    }
}
