//! Metrics of the process, read from /proc; absent on systems other than Linux.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Registry};

use super::{Definition, catalog};

/// The unit of times in /proc (`USER_HZ`): 100 on all common architectures.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads /proc at each scrape.
#[derive(Debug)]
pub struct Process(Vec<Desc>);

impl Process {
    pub(super) fn register(registry: &Registry) {
        let metrics = [catalog::RESIDENT_MEMORY, catalog::CPU_SECONDS, catalog::START_TIME];
        let described = metrics.map(|metric| {
            Desc::new(metric.name.to_owned(), metric.help.to_owned(), Vec::new(), [].into())
                .expect("the name is valid")
        });
        registry.register(Box::new(Self(described.into()))).expect("registered once");
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let memory = resident_bytes().map(|bytes| gauge(&catalog::RESIDENT_MEMORY, bytes));
        let cpu = cpu_seconds().map(|seconds| counter(&catalog::CPU_SECONDS, seconds));
        let start = start_seconds().map(|seconds| gauge(&catalog::START_TIME, seconds));
        [memory, cpu, start].into_iter().flatten().flatten().collect()
    }
}

fn gauge(metric: &Definition, value: f64) -> Vec<MetricFamily> {
    let gauge = Gauge::with_opts(metric.options()).expect("the name is valid");
    gauge.set(value);
    gauge.collect()
}

fn counter(metric: &Definition, value: f64) -> Vec<MetricFamily> {
    let counter = Counter::with_opts(metric.options()).expect("the name is valid");
    counter.inc_by(value);
    counter.collect()
}

#[expect(clippy::float_arithmetic, reason = "Prometheus takes bytes as floats")]
fn resident_bytes() -> Option<f64> {
    Some(value_of("/proc/self/status", "VmRSS:")? * 1024.0)
}

#[expect(clippy::float_arithmetic, reason = "Prometheus takes seconds as floats")]
fn cpu_seconds() -> Option<f64> {
    let [user, system, _] = times()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[expect(clippy::float_arithmetic, reason = "Prometheus takes seconds as floats")]
fn start_seconds() -> Option<f64> {
    let [_, _, started] = times()?;
    Some(value_of("/proc/stat", "btime")? + started / TICKS_PER_SECOND)
}

/// In ticks: CPU time in user and in system mode, and the start of the process since boot.
fn times() -> Option<[f64; 3]> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program name, in parentheses, may contain spaces and parentheses; the fields follow it.
    let (_, fields) = stat.rsplit_once(')')?;
    let field = |place: usize| fields.split_whitespace().nth(place)?.parse().ok();
    Some([field(11)?, field(12)?, field(19)?])
}

/// The number in the line that starts with `name`.
fn value_of(path: &str, name: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
