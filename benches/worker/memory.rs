//! Resident memory of a worker as shipped: before, under and after a load.

use std::time::Duration;

use crate::Failure;
use crate::backlog::{finish, until};
use crate::options::Options;
use crate::progress;
use crate::results::Memory;
use crate::servers::Servers;
use crate::site::{Site, on_a_site};
use crate::statistics::rounded;
use crate::worker_process::WorkerProcess;
use crate::workload::{Mix, workload};

/// Until a worker that has started, or ended its work, is as small as it gets.
const SHORTLY: Duration = Duration::from_secs(3);
const LATER: Duration = Duration::from_secs(10);

/// None where the memory of a process cannot be seen.
pub async fn measure(servers: &Servers, options: &Options) -> Result<Option<Memory>, Failure> {
    on_a_site(servers, async |site| memory_on(site, options).await).await
}

async fn memory_on(site: &Site<'_>, options: &Options) -> Result<Option<Memory>, Failure> {
    let workload = workload(Mix::Usual, options.messages(), 1, options.seed);
    let mut workers = vec![WorkerProcess::spawn(&options.shipped(), site, &[])?];
    WorkerProcess::all_consume(&mut workers, site).await?;
    tokio::time::sleep(SHORTLY).await;
    let idle = workers[0].resident();
    site.publish(&workload.commands).await?;
    until(site, &mut workers, workload.expected.events()).await?;
    let after = workers[0].resident();
    tokio::time::sleep(LATER).await;
    let later = workers[0].resident();
    finish(site, workers, &workload.expected, 0).await?;
    let (Some(idle), Some(after), Some(later)) = (idle, after, later) else {
        progress::say("memory: not measured, it cannot be seen from here");
        return Ok(None);
    };
    Ok(Some(Memory {
        idle: rounded(idle.now, 1),
        peak: rounded(later.peak, 1),
        after: rounded(after.now, 1),
        after_ten_seconds: rounded(later.now, 1),
    }))
}
