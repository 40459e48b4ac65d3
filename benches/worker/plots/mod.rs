//! The figures as plots: a pure function of the results.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "scales")]

mod bars;
mod lines;
mod svg;

use self::bars::{Bar, BarChart};
use self::lines::{Axis, Line, LineChart, VerticalAxis};
use super::results::{Backlog, Cpu, Results};

/// File names and contents.
pub fn all(results: &Results) -> Vec<(&'static str, String)> {
    let plots = [
        ("throughput.svg", throughput(results)),
        ("latency.svg", latency(results)),
        ("growth.svg", growth(results)),
    ];
    plots.into_iter().filter_map(|(file, plot)| Some((file, plot?))).collect()
}

/// Messages per second of every backlog, and the limit.
fn throughput(results: &Results) -> Option<String> {
    let bar = |backlog: &Backlog| Bar {
        name: backlog.name.clone(),
        value: backlog.rate.median,
        least: backlog.rate.least,
        most: backlog.rate.most,
    };
    let bars: Vec<Bar> = results.backlogs.iter().map(bar).collect();
    let title = "Messages a second from a backlog, and the limit of the machine";
    let limit = results.limit;
    (!bars.is_empty()).then(|| BarChart { title, bars, limit }.draw())
}

/// Milliseconds from sent to confirmed by percentile, a line for each load.
fn latency(results: &Results) -> Option<String> {
    let lines = results.latencies.iter().map(|latency| Line {
        name: format!("{} % load", latency.load),
        points: latency.curve.iter().map(|&(percent, ms)| (nines(percent), ms)).collect(),
    });
    let lines: Vec<Line> = lines.collect();
    let percents = [0.0, 50.0, 90.0, 99.0, 99.9];
    let y = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 10_000.0];
    let plot = LineChart {
        title: "Milliseconds from sent to confirmed, by percentile",
        x: Axis {
            ticks: percents.map(|percent| (nines(percent), format!("{percent} %"))).to_vec(),
        },
        y: VerticalAxis::logarithmic(&y, &lines),
        lines,
    };
    (!results.latencies.is_empty()).then(|| plot.draw())
}

/// 90 % is 1, 99 % is 2, 99.9 % is 3.
fn nines(percent: f64) -> f64 {
    -(1.0 - percent / 100.0).log10()
}

/// CPU microseconds per order, by the number of orders in the tables.
fn growth(results: &Results) -> Option<String> {
    let line = |name: &str, part: fn(&Cpu) -> f64| {
        let points = results
            .growth
            .iter()
            .map(|size| Some(((size.orders as f64).log10(), part(size.cpu.as_ref()?))));
        Some(Line { name: name.to_owned(), points: points.collect::<Option<_>>()? })
    };
    let lines = vec![
        line("all", Cpu::sum)?,
        line("database", |cpu| cpu.database)?,
        line("worker", |cpu| cpu.client)?,
        line("broker", |cpu| cpu.broker)?,
    ];
    let sizes = results
        .growth
        .iter()
        .map(|size| ((size.orders as f64).log10(), super::tables::thousands(size.orders as f64)));
    let y: Vec<f64> = (0..=20).map(|step| f64::from(step) * 25.0).collect();
    let plot = LineChart {
        title: "CPU microseconds an order, by the orders in the tables",
        x: Axis { ticks: sizes.collect() },
        y: VerticalAxis::linear(&y, &lines),
        lines,
    };
    (!results.growth.is_empty()).then(|| plot.draw())
}
