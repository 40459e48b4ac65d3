//! A schedule: publishers, failing servers, and workers that come and go; then a phase without faults.

use std::sync::Arc;
use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use chrono::{DateTime, Utc};
use order_worker::domain::OrderId;
use order_worker::entrypoints::amqp::ConsumerSettings;
use order_worker::service_layer::{ByteBudget, Health, RelayStore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::broker::{Broker, BrokerSettings};
use super::chance::{Chance, Counts};
use super::checks::{self, Checked};
use super::clients::Clients;
use super::clock::JumpingClock;
use super::fault::Fault;
use super::intents::{self, Action, Intent};
use super::ledger::Ledger;
use super::mutants::Mutant;
use super::worker::{SimulationEnv, Worker};

/// For all work to be done after the faults.
const TIMEOUT: Duration = Duration::from_mins(30);

const MAX_WORKERS: usize = 3;

/// The result of a schedule.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub counts: Counts,
    pub violations: Vec<String>,
    pub trace: Vec<String>,
    /// Published events: all copies, and distinct ones.
    pub copies: [usize; 2],
    pub checked: Checked,
}

/// Runs the schedule of a seed on a paused clock.
pub fn run(seed: u64, faulty: bool) -> Report {
    let chance =
        |seed| if faulty { Chance::with_faults(seed) } else { Chance::without_faults(seed) };
    run_with(seed, chance, faulty, None)
}

/// Runs the schedule of a seed, with faults, with a mutant.
pub fn run_mutant(seed: u64, mutant: Mutant) -> Report {
    run_with(seed, Chance::with_faults, true, Some(mutant))
}

fn run_with(
    seed: u64,
    chance: impl FnOnce(u64) -> Chance,
    faulty: bool,
    mutant: Option<Mutant>,
) -> Report {
    // The backoff's jitter.
    fastrand::seed(seed);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { Schedule::new(seed, chance(seed), faulty, mutant).run(faulty).await })
}

/// How commands reach the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Queue,
    Http,
    /// Either, also for commands about one order.
    Both,
}

struct Schedule {
    random: fastrand::Rng,
    transport: Transport,
    env: SimulationEnv,
    workers: Vec<Worker>,
    stopping: Vec<JoinHandle<()>>,
}

impl Schedule {
    fn new(seed: u64, chance: Chance, faulty: bool, mutant: Option<Mutant>) -> Self {
        // Both at once may cause a second copy of an event even without faults, as may consumers that
        // compete for the queue.
        let transport = [Transport::Queue, Transport::Queue, Transport::Http, Transport::Both]
            [chance.below(3 + usize::from(faulty))];
        let settings = ConsumerSettings {
            batch_max: [1, 4, 200][chance.below(3)],
            max_attempts: 4,
            keep_unroutable_events: chance.below(2) == 0,
            reply_bytes: ByteBudget::new(1024 * 1024),
        };
        let ledger = Ledger::default();
        let partitions = [1, 2, 4][chance.below(3)];
        let is_ordered = partitions > 1 || !faulty || mutant.is_some() || chance.below(2) == 0;
        let broker = BrokerSettings {
            partitions,
            ordered: is_ordered && mutant != Some(Mutant::ConsumersCompete),
            retries_return: mutant != Some(Mutant::RetriesGoElsewhere),
        };
        let env = SimulationEnv {
            clients: Clients::new(chance.clone(), ledger.clone()),
            ledger,
            broker: Broker::new(chance.clone(), broker),
            database: InMemoryDatabase::new(),
            clock: Arc::new(JumpingClock::new(chance.clone())),
            started: Instant::now(),
            prefetch: [1, 5, 50][chance.below(3)],
            lanes: 1 + chance.below(3),
            partitions,
            is_ordered,
            mutant,
            settings,
            health: Health::default(),
            chance,
        };
        // Independent of the faults: the same intents with and without them.
        let random = fastrand::Rng::with_seed(!seed);
        Self { random, transport, env, workers: Vec::new(), stopping: Vec::new() }
    }

    async fn run(mut self, faulty: bool) -> Report {
        let refused = (faulty && self.random.u8(0..4) == 0).then_some("o0");
        if let Some(order_id) = refused {
            self.env.database.refuse_order(OrderId::new(order_id).unwrap()).await;
        }
        self.run_with_faults().await;
        for stopping in self.stopping.drain(..) {
            stopping.await.unwrap();
        }
        self.env.chance.stop_faults();
        self.wait_until_done().await;
        for intent in intents::fresh() {
            self.publish(&intent);
        }
        self.wait_until_done().await;
        self.env.clients.connect_to(None);
        let stopping = Instant::now();
        for worker in self.workers.drain(..) {
            worker.stop(TIMEOUT).await;
        }
        if stopping.elapsed() >= TIMEOUT {
            self.env.ledger.violated("I8: a worker does not stop".to_owned());
        }
        let checked = checks::check(&self.env, refused).await;
        self.report(checked)
    }

    /// Publishes all intents while faults happen.
    async fn run_with_faults(&mut self) {
        for _ in 0..=self.env.chance.below(2) {
            self.start_worker();
        }
        // All consume before the first message comes: without faults, the partitions stay where they are.
        sleep(Duration::from_millis(1)).await;
        let mut intents = intents::all(&mut self.random).into_iter();
        // Start with a backlog.
        for intent in intents.by_ref().take(self.random.usize(0..20)) {
            self.publish(&intent);
        }
        for step in 0.. {
            match intents.next() {
                Some(intent) => self.publish(&intent),
                None if step > 50 => break,
                None => {}
            }
            sleep(Duration::from_millis(self.random.u64(0..200))).await;
            self.maybe_change_workers().await;
        }
    }

    async fn maybe_change_workers(&mut self) {
        let chance = self.env.chance.clone();
        if chance.fires(Fault::Killed) {
            self.remove_worker().kill().await;
        } else if chance.fires(Fault::Stopped) {
            self.stop_worker();
        } else if chance.fires(Fault::RollingUpgrade) {
            self.start_worker();
            sleep(chance.wait(Duration::from_secs(5))).await;
            self.stop_worker();
        } else if chance.fires(Fault::WorkerJoined) && self.workers.len() < MAX_WORKERS {
            self.start_worker();
        }
        if self.workers.is_empty() {
            sleep(chance.wait(Duration::from_secs(1))).await;
            self.start_worker();
        }
    }

    /// It stops while everything else goes on.
    fn stop_worker(&mut self) {
        let grace = self.env.chance.wait(Duration::from_secs(2));
        let stop = self.remove_worker().stop(grace);
        self.stopping.push(tokio::spawn(stop));
    }

    fn start_worker(&mut self) {
        self.workers.push(Worker::start(&self.env));
        self.connect_clients();
    }

    /// Takes out one of the workers.
    fn remove_worker(&mut self) -> Worker {
        let worker = self.workers.remove(self.env.chance.below(self.workers.len()));
        self.connect_clients();
        worker
    }

    /// All clients use the same worker.
    fn connect_clients(&self) {
        self.env.clients.connect_to(self.workers.last().map(Worker::requests));
    }

    fn publish(&self, intent: &Intent) {
        let SimulationEnv { chance, ledger, broker, clients, .. } = &self.env;
        let Intent { label, message_id, order_id, action, .. } = intent;
        let as_request = match (self.transport, action) {
            // The API rejects it before the pipeline.
            (_, Action::Invalid(_)) | (Transport::Queue, _) => false,
            (Transport::Http, _) => true,
            (Transport::Both, _) => chance.below(2) == 0,
        };
        let verb = if as_request { "requests" } else { "publishes" };
        chance.log(&format!("{verb} {label}: {action:?} {order_id:?} as {message_id:?}"));
        ledger.publishes(intent, as_request);
        if as_request {
            clients.submit(intent);
        } else {
            broker.submit(intent);
        }
    }

    /// Waits until all work is done.
    async fn wait_until_done(&self) {
        let given_up = Instant::now() + TIMEOUT;
        loop {
            let (open, outbox) = (self.env.broker.unsettled(), self.outbox_rows().await);
            // With both transports, a copy may be in flight after its row has left the outbox.
            let in_flight: usize =
                self.workers.iter().map(|worker| worker.in_flight.snapshot().len()).sum();
            let waiting = self.env.clients.waiting();
            if open == [0; 3] && [outbox, in_flight, waiting] == [0; 3] {
                // For the last acknowledgements and responses.
                return sleep(Duration::from_secs(1)).await;
            }
            if Instant::now() > given_up {
                let what = format!(
                    "I8: not done, {open:?} in the queue, {waiting} clients, {outbox} outbox rows, {in_flight} in flight"
                );
                return self.env.ledger.violated(what);
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn outbox_rows(&self) -> usize {
        let mut outbox = self.env.database.relay();
        outbox.waiting(DateTime::<Utc>::MAX_UTC, None, usize::MAX).await.unwrap().len()
    }

    fn report(self, checked: Checked) -> Report {
        let SimulationEnv { chance, ledger, .. } = self.env;
        let ids = ledger.sent().into_iter().filter_map(|event| event.properties.message_id);
        let mut ids: Vec<String> = ids.collect();
        let copies = ids.len();
        ids.sort_unstable();
        ids.dedup();
        Report {
            counts: chance.counts(),
            violations: ledger.violations(),
            trace: chance.trace(),
            copies: [copies, ids.len()],
            checked,
        }
    }
}
