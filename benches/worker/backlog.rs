//! Throughput from a backlog: the messages are in the queue before the worker starts.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures")]

use std::time::{Duration, Instant};

use crate::Failure;
use crate::bench_env::{BenchEnv, with_bench_env};
use crate::check::{check, wait_until_drained};
use crate::growth;
use crate::results::Cpu;
use crate::servers::{ServerCpu, Servers};
use crate::worker_process::{Program, WorkerProcess};
use crate::workload::{Expected, Mix, Workload, workload};

/// Between two checks of a queue's depth.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A worker without progress for this long is stuck.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub program: Program,
    /// Worker processes that consume the same queue.
    pub processes: usize,
    pub settings: Vec<(&'static str, String)>,
    pub mix: Mix,
    pub messages: usize,
    /// Orders in the tables before the run.
    pub orders_before: usize,
    /// Orders that the workers place before the measurement starts.
    pub ahead: usize,
}

/// The result of one run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Messages per second.
    pub rate: f64,
    pub cpu: Option<Cpu>,
    /// MiB, of the worker with the highest peak.
    pub peak_memory: Option<f64>,
}

/// Time and CPU seconds at one point of a run.
#[derive(Debug)]
struct Mark {
    at: Instant,
    workers: Option<f64>,
    servers: ServerCpu,
}

/// Publishes a backlog, runs workers until it is drained, and checks the result.
pub async fn run(servers: &Servers, plan: &Plan, seed: u64) -> Result<Sample, Failure> {
    with_bench_env(servers, async |env| run_on(env, plan, seed).await).await
}

async fn run_on(env: &BenchEnv<'_>, plan: &Plan, seed: u64) -> Result<Sample, Failure> {
    growth::fill(env, plan.orders_before).await?;
    env.servers.checkpoint().await;
    let ahead = workload(Mix::Placing, plan.ahead, plan.orders_before + 1, !seed);
    if plan.ahead > 0 {
        work_off(env, plan, &ahead, 0).await?;
    }
    let measured = workload(plan.mix, plan.messages, plan.orders_before + plan.ahead + 1, seed);
    let sample = work_off(env, plan, &measured, ahead.expected.events()).await?;
    check(env, &ahead.expected.and(measured.expected), plan.orders_before).await?;
    Ok(sample)
}

/// Drains a backlog, measured from the first delivery to the last event. The subscriber's queue
/// already holds `earlier` events.
async fn work_off(
    env: &BenchEnv<'_>,
    plan: &Plan,
    workload: &Workload,
    earlier: usize,
) -> Result<Sample, Failure> {
    env.publish(&workload.commands).await?;
    env.servers.wait_until_idle().await;
    let spawn = |_| WorkerProcess::spawn(&plan.program, env, &plan.settings);
    let mut workers = (0..plan.processes).map(spawn).collect::<Result<Vec<_>, _>>()?;

    let commands = env.topology().commands_queue;
    while env.depth(&commands).await? >= workload.commands.len() {
        WorkerProcess::all_run(&mut workers)?;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let first = Mark::now(env, &workers);
    until(env, &mut workers, earlier + workload.expected.events()).await?;
    let last = Mark::now(env, &workers);

    let peaks: Option<Vec<f64>> =
        workers.iter().map(|worker| Some(worker.resident()?.peak)).collect();
    finish_work(env, workers, &workload.expected).await?;
    Ok(Sample {
        peak_memory: peaks.and_then(|peaks| peaks.into_iter().max_by(f64::total_cmp)),
        ..between(&first, &last, workload.commands.len())
    })
}

/// Waits until the tables are drained and stops the workers; returns their standard output.
pub async fn finish_work(
    env: &BenchEnv<'_>,
    workers: Vec<WorkerProcess>,
    expected: &Expected,
) -> Result<String, Failure> {
    wait_until_drained(env, expected).await?;
    let mut printed = String::new();
    for worker in workers {
        printed += &worker.stop().await?;
    }
    Ok(printed)
}

/// Like [`finish_work`], and checks the result.
pub async fn finish(
    env: &BenchEnv<'_>,
    workers: Vec<WorkerProcess>,
    expected: &Expected,
    orders_before: usize,
) -> Result<String, Failure> {
    let printed = finish_work(env, workers, expected).await?;
    check(env, expected, orders_before).await?;
    Ok(printed)
}

impl Mark {
    fn now(env: &BenchEnv<'_>, workers: &[WorkerProcess]) -> Self {
        let at = Instant::now();
        let of_workers: Option<Vec<f64>> = workers.iter().map(WorkerProcess::cpu_seconds).collect();
        let servers = env.servers.cpu_seconds();
        Self { at, workers: of_workers.map(|seconds| seconds.iter().sum()), servers }
    }
}

/// Waits until the subscriber's queue holds this many events.
///
/// # Errors
/// When a worker has ended, or no event was added for [`TIMEOUT`].
pub async fn until(
    env: &BenchEnv<'_>,
    workers: &mut [WorkerProcess],
    events: usize,
) -> Result<(), Failure> {
    let queue = env.subscriber();
    let (mut most, mut since) = (0, Instant::now());
    loop {
        let depth = env.depth(&queue).await?;
        if depth >= events {
            return Ok(());
        }
        if depth > most {
            (most, since) = (depth, Instant::now());
        }
        if since.elapsed() > TIMEOUT {
            let log = workers.first().map(WorkerProcess::log).unwrap_or_default();
            return Err(
                format!("no new event for a minute, {depth} of {events} so far:\n{log}").into()
            );
        }
        WorkerProcess::all_run(workers)?;
        tokio::time::sleep(POLL_INTERVAL).await;
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
