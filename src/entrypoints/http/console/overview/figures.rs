//! What happened between looks at the counters.

#![expect(clippy::float_arithmetic, reason = "rates are fractions")]

use std::sync::Arc;

use super::chart::Point;
use crate::metrics::{LastAnswers, Look, Spread};

/// A rate is taken over so many looks, ten seconds: over two seconds it would only flicker.
const STRIDE: usize = 5;

/// The last five minutes.
#[derive(Debug)]
pub struct Figures {
    looks: Vec<Arc<Look>>,
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
    pub fn of(looks: &[Arc<Look>]) -> Self {
        Self { looks: looks.to_vec() }
    }

    /// Whether there are enough looks for a first difference.
    pub fn has_begun(&self) -> bool {
        self.looks.len() > 1
    }

    /// How much of a counter's growth came in each second.
    pub fn rate(&self, count: impl Fn(&Look) -> u64) -> Series {
        self.between(|from, to| {
            let seconds = (to.at - from.at).as_secs_f64();
            let gained = count(to).saturating_sub(count(from));
            (seconds > 0.0).then(|| exact(gained) / seconds)
        })
    }

    /// A percentile of what was measured.
    pub fn percentile(&self, percent: u32, spread: impl Fn(&Look) -> &Spread) -> Series {
        self.between(|from, to| spread(to).since(spread(from)).percentile(percent))
    }

    /// The mean of what was measured.
    pub fn mean(&self, spread: impl Fn(&Look) -> &Spread) -> Series {
        self.between(|from, to| spread(to).since(spread(from)).mean())
    }

    /// What a server said.
    pub fn level(&self, level: impl Fn(&LastAnswers) -> Option<u64>) -> Series {
        let value = |look: &Look| level(&look.last_answers).map(exact);
        let points = self.looks.iter().map(|look| self.point(look, value(look)));
        Series::new(points.collect())
    }

    /// How much of a counter's growth came in the five minutes.
    pub fn gained(&self, count: impl Fn(&Look) -> u64) -> u64 {
        match (self.looks.first(), self.looks.last()) {
            (Some(first), Some(last)) => count(last).saturating_sub(count(first)),
            _ => 0,
        }
    }

    pub fn newest(&self) -> Option<&Look> {
        self.looks.last().map(|look| &**look)
    }

    fn between(&self, value: impl Fn(&Look, &Look) -> Option<f64>) -> Series {
        let after_the_first = self.looks.iter().enumerate().skip(1);
        let points = after_the_first.map(|(place, to)| {
            let from = &self.looks[place.saturating_sub(STRIDE)];
            self.point(to, value(from, to))
        });
        Series::new(points.collect())
    }

    fn point(&self, look: &Look, value: Option<f64>) -> Point {
        let newest = self.looks.last().map_or(look.at, |newest| newest.at);
        Point { ago: newest - look.at, value }
    }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "nothing here counts that far")]
fn exact(count: u64) -> f64 {
    count as f64
}
