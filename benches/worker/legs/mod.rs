//! The parts of the work, each for itself and as bare as it can be done: what the machine needs for
//! them bounds what any worker can reach.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures")]

mod consume;
mod insert;
mod prepared;
mod publish;
mod store;

use std::time::Instant;

use crate::Failure;
use crate::backlog::Sample;
use crate::processes::own_cpu_seconds;
use crate::results::Cpu;
use crate::servers::{ServerCpu, Servers};
use crate::site::{Site, on_a_site};
use crate::workload::{Mix, workload};

/// Messages in a transaction, in a window of confirms, and in an acknowledgement: the worker's
/// default. Two sessions insert and two channels publish at the same time, as the worker has 2 lanes.
const BATCH: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    Consume,
    Insert,
    Publish,
    Store,
}

impl Leg {
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
                "the work of R2 through the worker's own store, as for a batch that does not only place orders: it also looks for repeats, locks the orders and empties the outbox"
            }
        }
    }

    /// Whether the limit is made of it.
    pub fn limits(self) -> bool {
        self != Self::Store
    }
}

/// Does one leg for as many placed orders.
pub async fn run(
    servers: &Servers,
    leg: Leg,
    messages: usize,
    seed: u64,
) -> Result<Sample, Failure> {
    on_a_site(servers, async |site| run_on(site, leg, messages, seed).await).await
}

async fn run_on(site: &Site<'_>, leg: Leg, messages: usize, seed: u64) -> Result<Sample, Failure> {
    let workload = workload(Mix::Placing, messages, 1, seed);
    match leg {
        Leg::Consume => {
            site.publish(&workload.commands).await?;
            consume::run(site, messages).await
        }
        Leg::Insert => insert::run(site, &prepared::batches(&workload)?).await,
        Leg::Publish => publish::run(site, &prepared::batches(&workload)?).await,
        Leg::Store => store::run(site, prepared::batches(&workload)?).await,
    }
}

/// From here to the end of a leg.
struct Stopwatch<'a> {
    servers: &'a Servers,
    started: Instant,
    own: Option<f64>,
    before: ServerCpu,
}

impl<'a> Stopwatch<'a> {
    /// Starts when the servers have come to rest.
    async fn start(servers: &'a Servers) -> Self {
        servers.checkpoint().await;
        servers.come_to_rest().await;
        let (own, before) = (own_cpu_seconds(), servers.cpu_seconds());
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
                client: each(self.own, own_cpu_seconds())?,
                broker: each(self.before.broker, after.broker)?,
                database: each(self.before.database, after.database)?,
            })
        };
        Sample { rate, cpu: cpu(), peak_memory: None }
    }
}
