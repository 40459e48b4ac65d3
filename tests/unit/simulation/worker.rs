//! A worker process: the real pipeline and relay, assembled as in `bootstrap`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use order_worker::entrypoints::amqp::{
    self, ConsumerDeps, ConsumerSettings, EVENT_PUBLISHERS, LaneDied, LanePorts,
};
use order_worker::entrypoints::command_client::{
    self, CommandClient, CommandLaneDeps, CommandQueue,
};
use order_worker::service_layer::{Health, InFlight, Publisher, Relay};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use super::chance::Chance;
use super::clients::Clients;
use super::clock::JumpingClock;
use super::fault::Fault;
use super::ledger::Ledger;
use super::publisher::SimulatedPublisher;
use super::source::Source;
use super::store::{SimulatedRelayStore, SimulatedStore};

const RELAY_INTERVAL: Duration = Duration::from_secs(3);

/// What outlives a worker, and the settings of the schedule's workers.
#[derive(Debug, Clone)]
pub struct SimulationEnv {
    pub chance: Chance,
    pub ledger: Ledger,
    pub broker: Broker,
    pub clients: Clients,
    pub database: InMemoryDatabase,
    pub clock: Arc<JumpingClock>,
    pub started: Instant,
    pub prefetch: usize,
    pub lanes: usize,
    pub settings: ConsumerSettings,
    /// Shared by all workers, as creating the metrics is slow.
    pub health: Health,
}

pub struct Worker {
    env: SimulationEnv,
    consumer: u32,
    stop: CancellationToken,
    /// Returns how many deliveries it handed back.
    source: JoinHandle<usize>,
    relay: JoinHandle<()>,
    pipeline: JoinHandle<Result<(), LaneDied>>,
    /// The HTTP lane.
    serving: JoinHandle<()>,
    pub in_flight: InFlight,
}

impl Worker {
    pub fn start(env: &SimulationEnv) -> Self {
        env.chance.log("a worker starts");
        let in_flight = InFlight::default();
        let stop = CancellationToken::new();
        let consumer = env.broker.consumer();
        let (source, source_task) = env.source(consumer, stop.clone()).consume();
        let relay = env.relay(in_flight.clone());
        let deps = ConsumerDeps {
            source,
            lanes: env.lanes(consumer),
            republisher: env.publisher(),
            reply_publisher: env.publisher(),
            reroute_publisher: None,
            clock: env.clock.clone(),
            health: env.health.clone(),
            in_flight: in_flight.clone(),
        };
        let (requests, queue) = CommandClient::channel();
        env.clients.connect_to(Some(requests));
        let serving = env.serve(queue, in_flight.for_command_client(), stop.clone());
        let pipeline = amqp::run(deps, env.settings.clone());
        Self {
            env: env.clone(),
            consumer,
            stop,
            source: source_task,
            relay: tokio::spawn(relay.run(RELAY_INTERVAL)),
            pipeline: tokio::spawn(pipeline),
            serving: tokio::spawn(serving),
            in_flight,
        }
    }

    /// SIGKILL: leaves the state of the servers, and a lost channel.
    pub async fn kill(self) {
        let SimulationEnv { chance, ledger, broker, clients, .. } = self.env;
        chance.log("the worker is killed");
        clients.connect_to(None);
        self.source.abort();
        self.relay.abort();
        self.serving.abort();
        self.pipeline.abort();
        if let Ok(ended) = self.pipeline.await {
            ledger.violated(format!("the pipeline ended by itself: {ended:?}"));
        }
        drop_aborted_tasks().await;
        broker.lose_channel(self.consumer);
    }

    /// SIGTERM: no more deliveries and requests, an end within the grace period; the rest is handed back.
    pub async fn stop(self, grace: Duration) {
        self.env.clients.connect_to(None);
        self.end(grace).await;
    }

    /// Like [`Self::stop`], for a worker whose clients already use another one.
    pub async fn end(mut self, grace: Duration) {
        let SimulationEnv { chance, ledger, .. } = self.env;
        chance.log("the worker gets SIGTERM");
        self.stop.cancel();
        let both = async { tokio::join!(&mut self.pipeline, &mut self.serving) };
        let ended = timeout(grace, both).await;
        let happened = |fault: Fault| chance.counts()[fault as usize] > 0;
        self.relay.abort();
        if ended.is_err() {
            self.serving.abort();
            self.pipeline.abort();
            // It may have ended in time, unlike the HTTP lane.
            if !self.pipeline.is_finished() {
                let _ = self.pipeline.await;
            }
        }
        let handed_back = self.source.await.unwrap();
        match ended {
            Ok((Ok(Ok(())), Ok(()))) if handed_back == 0 => {}
            Ok((Ok(Ok(())), Ok(()))) if MAY_LEAVE_DELIVERIES.iter().any(|it| happened(*it)) => {}
            Ok(ended) => {
                ledger.violated(format!("ended {ended:?}, handed back {handed_back} deliveries"));
            }
            Err(_) if handed_back > 0 => chance.happened(Fault::GracePeriodExceeded),
            Err(_) => {}
        }
        drop_aborted_tasks().await;
    }
}

/// After these faults, a stop leaves deliveries: it waits neither for parked commands nor for copies.
const MAY_LEAVE_DELIVERIES: [Fault; 6] = [
    Fault::OrderLocked,
    Fault::Conflict,
    Fault::NackedAndDropped,
    Fault::NackedButQueued,
    Fault::DeadLettersFull,
    Fault::CopyUnroutable,
];

/// Aborted tasks drop what they hold at their next poll.
async fn drop_aborted_tasks() {
    for _ in 0..4 {
        yield_now().await;
    }
}

impl SimulationEnv {
    fn source(&self, consumer: u32, stop: CancellationToken) -> Source {
        Source {
            broker: self.broker.clone(),
            chance: self.chance.clone(),
            ledger: self.ledger.clone(),
            consumer,
            prefetch: self.prefetch,
            stop,
        }
    }

    fn serve(
        &self,
        queue: CommandQueue,
        in_flight: InFlight,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let deps = CommandLaneDeps {
            store: Box::new(self.store(None)),
            publisher: self.publisher(),
            clock: self.clock.clone(),
            health: self.health.clone(),
            in_flight,
            batch_max: self.settings.batch_max,
            keep_unroutable_events: self.settings.keep_unroutable_events,
            max_waiting_bytes: command_client::MAX_WAITING_BYTES,
        };
        command_client::serve(queue, deps, stop)
    }

    fn lanes(&self, consumer: u32) -> Vec<LanePorts> {
        let publishers = || (0..EVENT_PUBLISHERS).map(|_| self.publisher()).collect();
        let ports = |_| LanePorts {
            store: Box::new(self.store(Some(consumer))),
            event_publishers: publishers(),
        };
        (0..self.lanes).map(ports).collect()
    }

    fn store(&self, consumer: Option<u32>) -> SimulatedStore {
        SimulatedStore {
            inner: self.database.store(),
            chance: self.chance.clone(),
            ledger: self.ledger.clone(),
            broker: self.broker.clone(),
            consumer,
            batch: BTreeSet::new(),
        }
    }

    fn publisher(&self) -> Box<dyn Publisher> {
        Box::new(SimulatedPublisher {
            broker: self.broker.clone(),
            chance: self.chance.clone(),
            ledger: self.ledger.clone(),
            keeps_unroutable: self.settings.keep_unroutable_events,
        })
    }

    fn relay(&self, in_flight: InFlight) -> Relay {
        let store = SimulatedRelayStore {
            inner: self.database.relay(),
            chance: self.chance.clone(),
            ledger: self.ledger.clone(),
            started: self.started,
            page: [1, 3, 500][self.chance.below(3)],
        };
        let keeps = self.settings.keep_unroutable_events;
        Relay::new(Box::new(store), self.publisher(), self.health.clone(), in_flight, keeps)
    }
}
