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
use crate::workload::{Expected, Mix, Workload, workload};

/// Between two looks at a queue.
const LOOK: Duration = Duration::from_millis(10);

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
    /// Orders that are placed ahead, unmeasured.
    pub ahead: usize,
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
    workers: Option<f64>,
    servers: ServerCpu,
}

/// Publishes a backlog, has workers work it off, and checks what they left.
pub async fn run(servers: &Servers, plan: &Plan, seed: u64) -> Result<Sample, Failure> {
    on_a_site(servers, async |site| run_on(site, plan, seed).await).await
}

async fn run_on(site: &Site<'_>, plan: &Plan, seed: u64) -> Result<Sample, Failure> {
    growth::fill(site, plan.orders_before).await?;
    site.servers.checkpoint().await;
    let ahead = workload(Mix::Placing, plan.ahead, plan.orders_before + 1, !seed);
    if plan.ahead > 0 {
        work_off(site, plan, &ahead, 0).await?;
    }
    let measured = workload(plan.mix, plan.messages, plan.orders_before + plan.ahead + 1, seed);
    let sample = work_off(site, plan, &measured, ahead.expected.events()).await?;
    check(site, &ahead.expected.and(measured.expected), plan.orders_before).await?;
    Ok(sample)
}

/// Works off a backlog from the first delivery to the last event, behind earlier events.
async fn work_off(
    site: &Site<'_>,
    plan: &Plan,
    workload: &Workload,
    earlier: usize,
) -> Result<Sample, Failure> {
    site.publish(&workload.commands).await?;
    site.servers.come_to_rest().await;
    let spawn = |_| WorkerProcess::spawn(&plan.program, site, &plan.settings);
    let mut workers = (0..plan.processes).map(spawn).collect::<Result<Vec<_>, _>>()?;

    let commands = site.topology().commands_queue;
    while site.depth(&commands).await? >= workload.commands.len() {
        WorkerProcess::all_run(&mut workers)?;
        tokio::time::sleep(LOOK).await;
    }
    let first = Mark::now(site, &workers);
    until(site, &mut workers, earlier + workload.expected.events()).await?;
    let last = Mark::now(site, &workers);

    let peaks: Option<Vec<f64>> =
        workers.iter().map(|worker| Some(worker.resident()?.peak)).collect();
    finish_work(site, workers, &workload.expected).await?;
    Ok(Sample {
        peak_memory: peaks.and_then(|peaks| peaks.into_iter().max_by(f64::total_cmp)),
        ..between(&first, &last, workload.commands.len())
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

impl Mark {
    fn now(site: &Site<'_>, workers: &[WorkerProcess]) -> Self {
        let at = Instant::now();
        let of_workers: Option<Vec<f64>> = workers.iter().map(WorkerProcess::cpu_seconds).collect();
        let servers = site.servers.cpu_seconds();
        Self { at, workers: of_workers.map(|seconds| seconds.iter().sum()), servers }
    }
}

/// Waits until the subscriber's queue holds as many events, as long as there are ever more.
pub async fn until(
    site: &Site<'_>,
    workers: &mut [WorkerProcess],
    events: usize,
) -> Result<(), Failure> {
    let queue = site.subscriber();
    let (mut most, mut since) = (0, Instant::now());
    loop {
        let depth = site.depth(&queue).await?;
        if depth >= events {
            return Ok(());
        }
        if depth > most {
            (most, since) = (depth, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            let log = workers.first().map(WorkerProcess::log).unwrap_or_default();
            return Err(format!("no event for a minute after {depth} of {events}:\n{log}").into());
        }
        WorkerProcess::all_run(workers)?;
        tokio::time::sleep(LOOK).await;
    }
}

fn between(first: &Mark, last: &Mark, messages: usize) -> Sample {
    let messages = messages as f64;
    let each = |before: Option<f64>, after: Option<f64>| Some((after? - before?) / messages * 1e6);
    let cpu = || {
        Some(Cpu {
            client: each(first.workers, last.workers)?,
            broker: each(first.servers.broker, last.servers.broker)?,
            database: each(first.servers.database, last.servers.database)?,
        })
    };
    let rate = messages / (last.at - first.at).as_secs_f64();
    Sample { rate, cpu: cpu(), peak_memory: None }
}
