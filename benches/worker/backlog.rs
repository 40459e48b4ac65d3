//! Working off a backlog: the messages are in the queue before the worker starts.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures")]

use std::time::{Duration, Instant};

use crate::Failure;
use crate::check::{at_rest, check};
use crate::growth;
use crate::results::Cpu;
use crate::servers::{ServerCpu, Servers};
use crate::site::{Site, on_a_site};
use crate::worker_process::{Program, WorkerProcess};
use crate::workload::{Expected, Mix, workload};

/// Between two looks at how many events there are.
const LOOK: Duration = Duration::from_millis(20);

/// A worker that gets no further for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub program: Program,
    /// Worker processes on the one queue.
    pub processes: usize,
    pub settings: Vec<(&'static str, String)>,
    pub mix: Mix,
    pub messages: usize,
    /// Orders that are in the tables before.
    pub orders_before: usize,
    /// Share of the messages that go ahead unmeasured, in percent.
    pub warm_up: usize,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Messages a second.
    pub rate: f64,
    pub cpu: Option<Cpu>,
    /// MiB, of the worker with the highest peak.
    pub peak_memory: Option<f64>,
}

/// A moment of a run.
#[derive(Debug)]
struct Mark {
    at: Instant,
    events: usize,
    workers: Option<f64>,
    servers: ServerCpu,
}

/// Publishes a backlog, has workers work it off, and checks what they left.
pub async fn run(servers: &Servers, plan: &Plan, seed: u64) -> Result<Sample, Failure> {
    on_a_site(servers, async |site| run_on(site, plan, seed).await).await
}

async fn run_on(site: &Site<'_>, plan: &Plan, seed: u64) -> Result<Sample, Failure> {
    growth::fill(site, plan.orders_before).await?;
    let workload = workload(plan.mix, plan.messages, plan.orders_before + 1, seed);
    site.publish(&workload.commands).await?;
    site.servers.settle().await?;
    let spawn = |_| WorkerProcess::spawn(&plan.program, site, &plan.settings);
    let mut workers = (0..plan.processes).map(spawn).collect::<Result<Vec<_>, _>>()?;

    let due = workload.expected.events();
    let first = reached(site, &mut workers, (due * plan.warm_up / 100).max(1)).await?;
    let last = reached(site, &mut workers, due).await?;

    let peaks = workers.iter().map(|worker| Some(worker.resident()?.peak));
    let peaks: Option<Vec<f64>> = peaks.collect();
    finish(site, workers, &workload.expected, plan.orders_before).await?;
    Ok(Sample {
        peak_memory: peaks.and_then(|peaks| peaks.into_iter().max_by(f64::total_cmp)),
        ..between(&first, &last, plan.messages, due)
    })
}

/// Ends workers that have done everything; answers what they printed.
pub async fn finish_work(
    site: &Site<'_>,
    workers: Vec<WorkerProcess>,
    expected: &Expected,
) -> Result<String, Failure> {
    at_rest(site, expected).await?;
    let mut printed = String::new();
    for worker in workers {
        printed += &worker.stop().await?;
    }
    Ok(printed)
}

/// The same, and checks what they left.
pub async fn finish(
    site: &Site<'_>,
    workers: Vec<WorkerProcess>,
    expected: &Expected,
    orders_before: usize,
) -> Result<String, Failure> {
    let printed = finish_work(site, workers, expected).await?;
    check(site, expected, orders_before).await?;
    Ok(printed)
}

/// Waits until there are as many events.
async fn reached(
    site: &Site<'_>,
    workers: &mut [WorkerProcess],
    events: usize,
) -> Result<Mark, Failure> {
    let (at, events) = until(site, workers, events).await?;
    let of_workers: Option<Vec<f64>> = workers.iter().map(WorkerProcess::cpu_seconds).collect();
    Ok(Mark {
        at,
        events,
        workers: of_workers.map(|seconds| seconds.iter().sum()),
        servers: site.servers.cpu_seconds(),
    })
}

/// Waits until the subscriber's queue holds as many events, as long as there are ever more; answers
/// when it held how many.
pub async fn until(
    site: &Site<'_>,
    workers: &mut [WorkerProcess],
    events: usize,
) -> Result<(Instant, usize), Failure> {
    let queue = site.subscriber();
    let (mut most, mut since) = (0, Instant::now());
    loop {
        let depth = site.depth(&queue).await?;
        if depth >= events {
            return Ok((Instant::now(), depth));
        }
        if depth > most {
            (most, since) = (depth, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            let log = workers.first().map(WorkerProcess::log).unwrap_or_default();
            return Err(format!("no event for a minute after {depth} of {events}:\n{log}").into());
        }
        for worker in &mut *workers {
            worker.ensure_running()?;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Events stand for messages: of `messages` there are `due` events.
fn between(first: &Mark, last: &Mark, messages: usize, due: usize) -> Sample {
    let share = (last.events - first.events) as f64 / due as f64;
    let messages = messages as f64 * share;
    let seconds = (last.at - first.at).as_secs_f64();
    let each = |before: Option<f64>, after: Option<f64>| Some((after? - before?) / messages * 1e6);
    let cpu = || {
        Some(Cpu {
            client: each(first.workers, last.workers)?,
            broker: each(first.servers.broker, last.servers.broker)?,
            database: each(first.servers.database, last.servers.database)?,
        })
    };
    Sample { rate: messages / seconds, cpu: cpu(), peak_memory: None }
}
