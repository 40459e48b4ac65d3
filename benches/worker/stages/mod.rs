//! The stages of the work, each measured alone in its simplest form: their cost bounds the throughput of
//! any worker.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures")]

mod consume;
mod insert;
mod prepared;
mod publish;
mod store;

use std::time::Instant;

use crate::Failure;
use crate::backlog::Sample;
use crate::bench_env::{BenchEnv, with_bench_env};
use crate::processes::self_cpu_seconds;
use crate::results::Cpu;
use crate::servers::{ServerCpu, Servers};
use crate::workload::{Mix, workload};

/// Messages per transaction, per window of confirms, and per acknowledgement: the worker's default. Two
/// sessions insert and two channels publish at the same time, as the worker has 2 lanes.
const BATCH: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Consume,
    Insert,
    Publish,
    Store,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Consume, Self::Insert, Self::Publish, Self::Store];

    pub fn name(self) -> &'static str {
        match self {
            Self::Consume => "R1 consume",
            Self::Insert => "R2 insert",
            Self::Publish => "R3 publish",
            Self::Store => "the worker's store",
        }
    }

    pub fn what(self) -> &'static str {
        match self {
            Self::Consume => "take commands from the quorum queue, acknowledge 500 with one frame",
            Self::Insert => {
                "insert inbox, orders, items, history and outbox, 500 orders in one statement and transaction"
            }
            Self::Publish => "publish the events, mandatory, and await the confirms of 500",
            Self::Store => {
                "the work of R2 through the worker's own store, as for a batch that does not only place orders: it also checks for duplicates, locks the orders and deletes from the outbox"
            }
        }
    }

    /// Whether it counts towards the limit.
    pub fn limits(self) -> bool {
        self != Self::Store
    }
}

/// Runs one stage for this many placed orders.
pub async fn run(
    servers: &Servers,
    stage: Stage,
    messages: usize,
    seed: u64,
) -> Result<Sample, Failure> {
    with_bench_env(servers, async |env| run_on(env, stage, messages, seed).await).await
}

async fn run_on(
    env: &BenchEnv<'_>,
    stage: Stage,
    messages: usize,
    seed: u64,
) -> Result<Sample, Failure> {
    let workload = workload(Mix::Placing, messages, 1, seed);
    match stage {
        Stage::Consume => {
            env.publish(&workload.commands).await?;
            consume::run(env, messages).await
        }
        Stage::Insert => insert::run(env, &prepared::batches(&workload)?).await,
        Stage::Publish => publish::run(env, &prepared::batches(&workload)?).await,
        Stage::Store => store::run(env, prepared::batches(&workload)?).await,
    }
}

/// Measures time and CPU of a stage.
struct Stopwatch<'a> {
    servers: &'a Servers,
    started: Instant,
    own: Option<f64>,
    before: ServerCpu,
}

impl<'a> Stopwatch<'a> {
    /// Starts once the servers are idle.
    async fn start(servers: &'a Servers) -> Self {
        servers.checkpoint().await;
        servers.wait_until_idle().await;
        let (own, before) = (self_cpu_seconds(), servers.cpu_seconds());
        Self { servers, started: Instant::now(), own, before }
    }

    fn stop(self, messages: usize) -> Sample {
        let messages = messages as f64;
        let rate = messages / self.started.elapsed().as_secs_f64();
        let after = self.servers.cpu_seconds();
        let each =
            |before: Option<f64>, after: Option<f64>| Some((after? - before?) / messages * 1e6);
        let cpu = || {
            Some(Cpu {
                client: each(self.own, self_cpu_seconds())?,
                broker: each(self.before.broker, after.broker)?,
                database: each(self.before.database, after.database)?,
            })
        };
        Sample { rate, cpu: cpu(), peak_memory: None }
    }
}
