//! A schedule: a publisher, a worker that dies now and then, and servers that fail; then peace.

use std::sync::Arc;
use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use chrono::{DateTime, Utc};
use order_worker::domain::OrderId;
use order_worker::entrypoints::amqp::ConsumerSettings;
use order_worker::service_layer::{ByteBudget, Health, RelayStore};
use tokio::time::{Instant, sleep};

use super::broker::Broker;
use super::chance::{Chance, Counts};
use super::checks;
use super::clients::Clients;
use super::clock::WanderingClock;
use super::fault::Fault;
use super::intents::{self, IdempotencyKey, Wish};
use super::ledger::Ledger;
use super::worker::{TestEnv, Worker};

/// Longest time, after the faults, until all is done.
const PATIENCE: Duration = Duration::from_mins(30);

/// What a schedule came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub counts: Counts,
    pub violations: Vec<String>,
    pub trace: Vec<String>,
    /// Events that were sent to the broker, each copy; and how many different ones.
    pub copies: [usize; 2],
}

/// Runs the schedule of a seed, on a clock that jumps to the next thing to happen.
pub fn run(seed: u64, troubled: bool) -> Report {
    // The backoff's jitter.
    fastrand::seed(seed);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let chance = if troubled { Chance::troubled(seed) } else { Chance::calm(seed) };
        Schedule::new(seed, chance, troubled).run(troubled).await
    })
}

/// Ways of commands to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    Queue,
    Http,
    /// Either, also for commands about one order.
    Both,
}

struct Schedule {
    random: fastrand::Rng,
    ways: Ways,
    env: TestEnv,
}

impl Schedule {
    fn new(seed: u64, chance: Chance, troubled: bool) -> Self {
        // Two ways to one order are worth a copy of an event even in peace.
        let ways = [Ways::Queue, Ways::Http, Ways::Both][chance.below(2 + usize::from(troubled))];
        let settings = ConsumerSettings {
            batch_max: [1, 4, 200][chance.below(3)],
            max_attempts: 4,
            keep_unroutable_events: chance.below(2) == 0,
            reply_bytes: ByteBudget::new(1024 * 1024),
        };
        let ledger = Ledger::default();
        let env = TestEnv {
            clients: Clients::new(chance.clone(), ledger.clone()),
            ledger,
            broker: Broker::new(chance.clone()),
            database: InMemoryDatabase::new(),
            clock: Arc::new(WanderingClock::new(chance.clone())),
            started: Instant::now(),
            prefetch: [1, 5, 50][chance.below(3)],
            lanes: 1 + chance.below(3),
            settings,
            health: Health::default(),
            chance,
        };
        // Other dice than those of the faults: the same wishes in trouble and in peace.
        Self { random: fastrand::Rng::with_seed(!seed), ways, env }
    }

    async fn run(mut self, troubled: bool) -> Report {
        let refused = (troubled && self.random.u8(0..4) == 0).then_some("o0");
        if let Some(order_id) = refused {
            self.env.database.refuse_order(OrderId::new(order_id).unwrap()).await;
        }
        let worker = self.live_in_trouble().await;
        self.env.chance.calm_down();
        self.finish(&worker).await;
        for intent in intents::fresh() {
            self.publish(&intent);
        }
        self.finish(&worker).await;
        worker.stop(PATIENCE).await;
        checks::check(&self.env, refused).await;
        self.report()
    }

    /// Publishes everything while things go wrong; answers the worker that is alive at last.
    async fn live_in_trouble(&mut self) -> Worker {
        let mut worker = Worker::start(&self.env);
        let mut intents = intents::published(&mut self.random).into_iter();
        // At first the broker holds a backlog.
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
            worker = self.live_or_die(worker).await;
        }
        worker
    }

    async fn live_or_die(&mut self, worker: Worker) -> Worker {
        let chance = self.env.chance.clone();
        if chance.fires(Fault::Killed) {
            worker.kill().await;
        } else if chance.fires(Fault::Stopped) {
            worker.stop(chance.wait(Duration::from_secs(2))).await;
        } else if chance.fires(Fault::Relieved) {
            return self.relieve(worker).await;
        } else {
            return worker;
        }
        sleep(chance.wait(Duration::from_secs(1))).await;
        Worker::start(&self.env)
    }

    /// A rolling upgrade: the next worker starts before the last one stops.
    async fn relieve(&self, worker: Worker) -> Worker {
        let chance = &self.env.chance;
        let next = Worker::start(&self.env);
        sleep(chance.wait(Duration::from_secs(5))).await;
        worker.end(chance.wait(Duration::from_secs(2))).await;
        next
    }

    fn publish(&self, intent: &IdempotencyKey) {
        let TestEnv { chance, ledger, broker, clients, .. } = &self.env;
        let IdempotencyKey { label, message_id, order_id, wish, .. } = intent;
        let as_request = match (self.ways, wish) {
            // The API answers it by itself.
            (_, Wish::Nonsense(_)) | (Ways::Queue, _) => false,
            (Ways::Http, _) => true,
            (Ways::Both, _) => chance.below(2) == 0,
        };
        let verb = if as_request { "requests" } else { "publishes" };
        chance.note(&format!("{verb} {label}: {wish:?} {order_id:?} as {message_id:?}"));
        ledger.publishes(intent, as_request);
        if as_request {
            clients.submit(intent);
        } else {
            broker.submit(intent);
        }
    }

    /// Waits until nothing is left to do.
    async fn finish(&self, worker: &Worker) {
        let given_up = Instant::now() + PATIENCE;
        loop {
            let (open, outbox) = (self.env.broker.open(), self.outbox_rows().await);
            // With two ways, a copy may still be on its way when its row has left the outbox.
            let in_flight = worker.in_flight.snapshot().len();
            let waiting = self.env.clients.waiting();
            if open == [0; 3] && [outbox, in_flight, waiting] == [0; 3] {
                // The last answers are on their way.
                return sleep(Duration::from_secs(1)).await;
            }
            if Instant::now() > given_up {
                let what = format!(
                    "I8: never done, {open:?} in the queue, {waiting} clients, {outbox} outbox rows, {in_flight} in flight"
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

    fn report(self) -> Report {
        let TestEnv { chance, ledger, .. } = self.env;
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
        }
    }
}
