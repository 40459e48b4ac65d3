//! The content of a histogram at one point in time.

use prometheus::Histogram;
use prometheus::core::Metric;

/// The observations of a histogram, in total or between two snapshots.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramSnapshot {
    /// Upper bounds with cumulative counts, as in Prometheus; the last bound is infinite.
    buckets: Vec<(f64, u64)>,
    count: u64,
    sum: f64,
}

impl HistogramSnapshot {
    /// The sum of histograms with the same buckets.
    pub fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Self {
        histograms.into_iter().map(Self::of_one).fold(Self::default(), |all, one| all.and(&one))
    }

    fn of_one(histogram: &Histogram) -> Self {
        let metric = histogram.metric();
        let histogram = metric.get_histogram();
        let buckets = histogram.get_bucket().iter();
        let mut buckets: Vec<_> =
            buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).collect();
        let count = histogram.get_sample_count();
        buckets.push((f64::INFINITY, count));
        Self { buckets, count, sum: histogram.get_sample_sum() }
    }

    #[expect(clippy::float_arithmetic, reason = "the sum of seconds is one")]
    fn and(mut self, other: &Self) -> Self {
        if self.buckets.is_empty() {
            return other.clone();
        }
        for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
        Self { buckets: self.buckets, count: self.count + other.count, sum: self.sum + other.sum }
    }

    /// The observations since an earlier snapshot of the same histogram.
    #[expect(clippy::float_arithmetic, reason = "the sum of seconds is one")]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut gained = self.clone();
        for ((_, count), (_, before)) in gained.buckets.iter_mut().zip(&earlier.buckets) {
            *count = count.saturating_sub(*before);
        }
        gained.count = gained.count.saturating_sub(earlier.count);
        gained.sum -= earlier.sum;
        gained
    }

    /// `None` without observations.
    #[expect(clippy::float_arithmetic, reason = "a mean of seconds is a fraction")]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / whole(self.count))
    }

    /// The percentile, estimated by linear interpolation within its bucket, as `histogram_quantile`
    /// of Prometheus does. The last finite bound if it is above that; `None` without observations.
    #[expect(clippy::float_arithmetic, reason = "bounds are fractions of seconds")]
    pub fn percentile(&self, percent: u32) -> Option<f64> {
        let rank = whole(self.count) * f64::from(percent) / 100.0;
        let place =
            self.buckets.iter().position(|(_, count)| *count > 0 && whole(*count) >= rank)?;
        let (from, below) = place.checked_sub(1).map_or((0.0, 0), |before| self.buckets[before]);
        let (to, count) = self.buckets[place];
        if to.is_infinite() {
            return Some(from);
        }
        let share = (rank - whole(below)) / whole(count - below);
        Some(from + (to - from) * share)
    }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no counter gets that far within five minutes")]
fn whole(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    fn histogram(values: &[f64]) -> Histogram {
        let options = HistogramOpts::new("h", "h").buckets(vec![1.0, 2.0, 4.0]);
        let histogram = Histogram::with_opts(options).unwrap();
        for value in values {
            histogram.observe(*value);
        }
        histogram
    }

    #[test]
    fn a_percentile_lies_within_its_bucket() {
        let spread = HistogramSnapshot::of([&histogram(&[0.5, 1.5, 1.5, 3.0])]);

        assert_eq!(spread.percentile(25), Some(1.0));
        assert_eq!(spread.percentile(50), Some(1.5));
        assert_eq!(spread.percentile(75), Some(2.0));
        assert_eq!(spread.percentile(100), Some(4.0));
        assert_eq!(spread.mean(), Some(1.625));
    }

    #[test]
    fn what_is_beyond_all_buckets_is_at_the_last_bound() {
        assert_eq!(HistogramSnapshot::of([&histogram(&[9.0])]).percentile(99), Some(4.0));
    }

    #[test]
    fn nothing_has_no_percentile_and_no_mean() {
        let nothing = HistogramSnapshot::of([&histogram(&[])]);

        assert_eq!((nothing.percentile(50), nothing.mean()), (None, None));
        assert_eq!(
            (HistogramSnapshot::default().percentile(50), HistogramSnapshot::default().mean()),
            (None, None)
        );
    }

    #[test]
    fn only_what_came_since_counts() {
        let histogram = histogram(&[3.0, 3.0]);
        let before = HistogramSnapshot::of([&histogram]);
        histogram.observe(0.5);

        let gained = HistogramSnapshot::of([&histogram]).since(&before);

        assert_eq!((gained.percentile(100), gained.mean()), (Some(1.0), Some(0.5)));
    }

    #[test]
    fn two_histograms_are_taken_together() {
        let both = HistogramSnapshot::of([&histogram(&[0.5]), &histogram(&[3.0])]);

        assert_eq!((both.percentile(50), both.mean()), (Some(1.0), Some(1.75)));
    }
}
