//! What happened between looks at the counters.

#![expect(clippy::float_arithmetic, reason = "rates are fractions")]

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{HistogramSnapshot, LastAnswers, Snapshot};

/// A rate is taken over so many looks, ten seconds: over two seconds it would only flicker.
const STRIDE: usize = 5;

/// The last five minutes.
#[derive(Debug)]
pub struct Figures {
    looks: Vec<Arc<Snapshot>>,
}

/// A value at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Before the newest.
    pub ago: Duration,
    pub value: Option<f64>,
}

/// A quantity over the last five minutes.
#[derive(Debug, Default)]
pub struct Series {
    /// From the oldest to the newest; none where nothing was to be measured.
    pub points: Vec<Point>,
    pub now: Option<f64>,
    pub most: Option<f64>,
}

impl Series {
    fn new(points: Vec<Point>) -> Self {
        let values = points.iter().filter_map(|point| point.value);
        let most = values.reduce(f64::max);
        Self { now: points.last().and_then(|point| point.value), most, points }
    }
}

impl Figures {
    pub fn of(looks: &[Arc<Snapshot>]) -> Self {
        Self { looks: looks.to_vec() }
    }

    /// Whether there are enough looks for a first difference.
    pub fn has_begun(&self) -> bool {
        self.looks.len() > 1
    }

    /// How much of a counter's growth came in each second.
    pub fn rate(&self, count: impl Fn(&Snapshot) -> u64) -> Series {
        self.between(|from, to| {
            let seconds = (to.at - from.at).as_secs_f64();
            let gained = count(to).saturating_sub(count(from));
            (seconds > 0.0).then(|| exact(gained) / seconds)
        })
    }

    /// A percentile of what was measured.
    pub fn percentile(
        &self,
        percent: u32,
        spread: impl Fn(&Snapshot) -> &HistogramSnapshot,
    ) -> Series {
        self.between(|from, to| spread(to).since(spread(from)).percentile(percent))
    }

    /// The mean of what was measured.
    pub fn mean(&self, spread: impl Fn(&Snapshot) -> &HistogramSnapshot) -> Series {
        self.between(|from, to| spread(to).since(spread(from)).mean())
    }

    /// What a server said.
    pub fn level(&self, level: impl Fn(&LastAnswers) -> Option<u64>) -> Series {
        let value = |look: &Snapshot| level(&look.last_answers).map(exact);
        let points = self.looks.iter().map(|look| self.point(look, value(look)));
        Series::new(points.collect())
    }

    /// How much of a counter's growth came in the five minutes.
    pub fn gained(&self, count: impl Fn(&Snapshot) -> u64) -> u64 {
        match (self.looks.first(), self.looks.last()) {
            (Some(first), Some(last)) => count(last).saturating_sub(count(first)),
            _ => 0,
        }
    }

    pub fn newest(&self) -> Option<&Snapshot> {
        self.looks.last().map(|look| &**look)
    }

    fn between(&self, value: impl Fn(&Snapshot, &Snapshot) -> Option<f64>) -> Series {
        let after_the_first = self.looks.iter().enumerate().skip(1);
        let points = after_the_first.map(|(place, to)| {
            let from = &self.looks[place.saturating_sub(STRIDE)];
            self.point(to, value(from, to))
        });
        Series::new(points.collect())
    }

    fn point(&self, look: &Snapshot, value: Option<f64>) -> Point {
        let newest = self.looks.last().map_or(look.at, |newest| newest.at);
        Point { ago: newest - look.at, value }
    }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "nothing here counts that far")]
fn exact(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{LOOK_AGAIN, MAX_LOOKS, Metrics};
    use crate::service_layer::QueueDepth;

    /// Looks in their rhythm, at which so many commands had come.
    fn figures(received: &[u64]) -> Figures {
        let first = Metrics::new().look();
        let looks = (0..).zip(received).map(|(place, received)| {
            let at = first.at + LOOK_AGAIN * place;
            Arc::new(Snapshot { at, received: *received, ..first.clone() })
        });
        Figures { looks: looks.collect() }
    }

    #[test]
    fn a_rate_is_taken_over_ten_seconds_as_soon_as_there_are_as_many() {
        let rate = figures(&[0, 20, 20, 20, 20, 20, 20]).rate(|look| look.received);

        let values: Vec<_> = rate.points.iter().filter_map(|point| point.value).collect();
        assert_eq!(values, [10.0, 5.0, 20.0 / 6.0, 2.5, 2.0, 0.0]);
        assert_eq!((rate.now, rate.most), (Some(0.0), Some(10.0)));
    }

    #[test]
    fn points_lie_as_far_back_as_their_looks() {
        let rate = figures(&[0, 0, 0]).rate(|look| look.received);

        let ago: Vec<_> = rate.points.iter().map(|point| point.ago).collect();
        assert_eq!(ago, [Duration::from_secs(2), Duration::ZERO]);
    }

    #[test]
    fn the_kept_looks_span_five_minutes() {
        let metrics = Metrics::new();
        for _ in 0..200 {
            metrics.recent.push(metrics.look());
        }

        assert_eq!(metrics.recent.looks().len(), MAX_LOOKS);
        assert_eq!(LOOK_AGAIN * u32::try_from(MAX_LOOKS - 1).unwrap(), Duration::from_mins(5));
    }

    #[test]
    fn what_came_is_the_last_look_without_the_first() {
        assert_eq!(figures(&[7, 9, 30]).gained(|look| look.received), 23);
        assert_eq!(figures(&[]).gained(|look| look.received), 0);
    }

    #[test]
    fn a_level_that_nobody_told_is_a_gap() {
        let mut figures = figures(&[0, 0]);
        let told = Arc::make_mut(&mut figures.looks[1]);
        told.last_answers.commands = Some(QueueDepth { ready: 4, consumers: 1 });

        let level = figures.level(|answers| Some(answers.commands?.ready));

        assert_eq!(level.points[0].value, None);
        assert_eq!((level.now, level.most), (Some(4.0), Some(4.0)));
    }
}
