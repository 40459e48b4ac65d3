//! Resident memory of a worker as shipped: before, during and after a load.

use std::time::Duration;

use crate::Failure;
use crate::backlog::{finish, until};
use crate::bench_env::{BenchEnv, with_bench_env};
use crate::options::Options;
use crate::progress;
use crate::results::Memory;
use crate::servers::Servers;
use crate::statistics::rounded;
use crate::worker_process::WorkerProcess;
use crate::workload::{Mix, workload};

/// For the memory to settle after the start, and after the load.
const SHORTLY: Duration = Duration::from_secs(3);
const LATER: Duration = Duration::from_secs(10);

/// `None` where `/proc` does not show the memory of the process.
pub async fn measure(servers: &Servers, options: &Options) -> Result<Option<Memory>, Failure> {
    with_bench_env(servers, async |env| memory_on(env, options).await).await
}

async fn memory_on(env: &BenchEnv<'_>, options: &Options) -> Result<Option<Memory>, Failure> {
    let workload = workload(Mix::Usual, options.messages(), 1, options.seed);
    let mut workers = vec![WorkerProcess::spawn(&options.shipped(), env, &[])?];
    WorkerProcess::all_consume(&mut workers, env).await?;
    tokio::time::sleep(SHORTLY).await;
    let idle = workers[0].resident();
    env.publish(&workload.commands).await?;
    until(env, &mut workers, workload.expected.events()).await?;
    let after = workers[0].resident();
    tokio::time::sleep(LATER).await;
    let later = workers[0].resident();
    finish(env, workers, &workload.expected, 0).await?;
    let (Some(idle), Some(after), Some(later)) = (idle, after, later) else {
        progress::log("memory: not measured, /proc does not show the process");
        return Ok(None);
    };
    Ok(Some(Memory {
        idle: rounded(idle.now, 1),
        peak: rounded(later.peak, 1),
        after: rounded(after.now, 1),
        after_ten_seconds: rounded(later.now, 1),
    }))
}
