//! Medians, ranges and percentiles.
#![expect(clippy::float_arithmetic, reason = "statistics")]

use crate::results::{Cpu, Percentiles, Spread};

/// The median and the range of at least one rate.
pub fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
    let sorted = sorted(values);
    let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
    let whole = |value| rounded(value, 0);
    Spread { median: whole(middle(&sorted)), least: whole(least), most: whole(most) }
}

/// The median of each process; `None` unless all were measured.
pub fn median_cpu(samples: impl IntoIterator<Item = Option<Cpu>>) -> Option<Cpu> {
    let samples: Vec<Cpu> = samples.into_iter().collect::<Option<_>>()?;
    let median = |of: fn(&Cpu) -> f64| rounded(middle(&sorted(samples.iter().map(of))), 1);
    Some(Cpu {
        client: median(|cpu| cpu.client),
        broker: median(|cpu| cpu.broker),
        database: median(|cpu| cpu.database),
    })
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    rounded(middle(&sorted(values)), 1)
}

pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[half - 1], sorted[half])
    } else {
        sorted[half]
    }
}

/// The smallest of the sorted values that at least `per_mille` of them do not exceed.
pub fn percentile(sorted: &[f64], per_mille: usize) -> f64 {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    rounded(sorted[rank - 1], 2)
}

pub fn percentiles(sorted: &[f64]) -> Percentiles {
    Percentiles {
        p50: percentile(sorted, 500),
        p99: percentile(sorted, 990),
        p999: percentile(sorted, 999),
    }
}

pub fn rounded(value: f64, decimals: i32) -> f64 {
    let factor = 10_f64.powi(decimals);
    (value * factor).round() / factor
}
