//! A worker process: the real pipeline and relay, assembled as in `bootstrap`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
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
use super::mutants::{HastyPublisher, Mutant, mutated_source};
use super::publisher::SimulatedPublisher;
use super::source::Source;
use super::store::{Consumer, SimulatedRelayStore, SimulatedStore};

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
    pub partitions: usize,
    /// Whether each partition has a single active consumer.
    pub is_ordered: bool,
    pub mutant: Option<Mutant>,
    pub settings: ConsumerSettings,
    /// Shared by all workers, as creating the metrics is slow.
    pub health: Health,
}

pub struct Worker {
    env: SimulationEnv,
    consumer: Consumer,
    requests: CommandClient,
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
        let number = env.broker.consumer();
        env.chance.log(&format!("worker {number} starts"));
        let in_flight = InFlight::default();
        let stop = CancellationToken::new();
        let consumer = Consumer { number, is_unaware: Arc::new(AtomicBool::new(false)) };
        let (source, source_task) = env.source(&consumer, stop.clone()).consume();
        let relay = env.relay(in_flight.clone());
        let deps = ConsumerDeps {
            source: mutated_source(source, env.mutant),
            lanes: env.lanes(&consumer),
            republisher: env.publisher(),
            reply_publisher: env.publisher(),
            reroute_publisher: (env.partitions > 1).then(|| env.reroute_publisher()),
            clock: env.clock.clone(),
            health: env.health.clone(),
            in_flight: in_flight.clone(),
        };
        let (requests, queue) = CommandClient::channel();
        let serving = env.serve(queue, in_flight.for_command_client(), stop.clone());
        let pipeline = amqp::run(deps, env.settings.clone());
        Self {
            env: env.clone(),
            consumer,
            requests,
            stop,
            source: source_task,
            relay: tokio::spawn(relay.run(RELAY_INTERVAL)),
            pipeline: tokio::spawn(pipeline),
            serving: tokio::spawn(serving),
            in_flight,
        }
    }

    /// How its clients reach it.
    pub fn requests(&self) -> CommandClient {
        self.requests.clone()
    }

    /// SIGKILL: leaves the state of the servers, and a lost channel.
    pub async fn kill(self) {
        let SimulationEnv { chance, ledger, broker, .. } = self.env;
        chance.log(&format!("worker {} is killed", self.consumer.number));
        self.source.abort();
        self.relay.abort();
        self.serving.abort();
        self.pipeline.abort();
        if let Ok(ended) = self.pipeline.await {
            ledger.violated(format!("the pipeline ended by itself: {ended:?}"));
        }
        drop_aborted_tasks().await;
        broker.lose_channel(self.consumer.number);
    }

    /// SIGTERM: no more deliveries and requests, an end within the grace period; the rest is handed back.
    pub async fn stop(mut self, grace: Duration) {
        let SimulationEnv { chance, ledger, .. } = self.env;
        chance.log(&format!("worker {} gets SIGTERM", self.consumer.number));
        self.stop.cancel();
        // The HTTP lane ends when no client can reach it any more.
        drop(self.requests);
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
    fn source(&self, consumer: &Consumer, stop: CancellationToken) -> Source {
        Source {
            broker: self.broker.clone(),
            chance: self.chance.clone(),
            ledger: self.ledger.clone(),
            consumer: consumer.number,
            priorities: self.broker.priorities(),
            is_unaware: Arc::clone(&consumer.is_unaware),
            prefetch: self.prefetch,
            stop,
            cancels_when_stopping: self.mutant == Some(Mutant::CancelsWhenStopping),
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

    fn lanes(&self, consumer: &Consumer) -> Vec<LanePorts> {
        let publishers = || (0..EVENT_PUBLISHERS).map(|_| self.publisher()).collect();
        let ports = |_| LanePorts {
            store: Box::new(self.store(Some(consumer.clone()))),
            event_publishers: publishers(),
        };
        (0..self.lanes).map(ports).collect()
    }

    fn store(&self, consumer: Option<Consumer>) -> SimulatedStore {
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
        Box::new(self.simulated_publisher())
    }

    fn reroute_publisher(&self) -> Box<dyn Publisher> {
        match self.mutant {
            Some(Mutant::ReroutesWithoutWaiting) => {
                Box::new(HastyPublisher(self.simulated_publisher()))
            }
            _ => self.publisher(),
        }
    }

    fn simulated_publisher(&self) -> SimulatedPublisher {
        SimulatedPublisher {
            broker: self.broker.clone(),
            chance: self.chance.clone(),
            ledger: self.ledger.clone(),
            keeps_unroutable: self.settings.keep_unroutable_events,
        }
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
