//! A worker of all the parts.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Broker, Database, Failure};
use crate::adapters::clock::SystemClock;
use crate::config::Settings;
use crate::entrypoints::amqp::{self, ConsumerSettings, Ground, Report};
use crate::entrypoints::dead_letters::collect;
use crate::entrypoints::requests::{self, RequestGround, RequestQueue};
use crate::service_layer::dead_letters::prune_for_ever;
use crate::service_layer::{
    Clock, CommandSource, Health, InFlight, Inflow, Publisher, Relay, RelayStore, Store,
};

/// Most dead letters that the broker hands out before the first is in the table.
const DEAD_LETTER_PREFETCH: u16 = 200;

/// What a worker does beside its commands: collects dead letters, removes what is old.
#[derive(Debug)]
struct Chores {
    stop: CancellationToken,
    pruning: JoinHandle<()>,
    collecting: Option<[JoinHandle<()>; 2]>,
}

impl Chores {
    /// Ends them, once the dead letters in hand are in the table.
    async fn end(self) {
        self.pruning.abort();
        self.stop.cancel();
        for task in self.collecting.into_iter().flatten() {
            // It only ends; it has no failure to tell.
            let _ = task.await;
        }
    }
}

/// A worker, put together and ready to run.
#[derive(Debug)]
pub struct Worker {
    pub settings: Settings,
    pub database: Database,
    pub broker: Broker,
    pub health: Health,
}

impl Worker {
    /// Works until `stop` is cancelled and everything that was begun is settled and published. What
    /// becomes of each message of the queue is told to `reports`. `requests` are handled also while
    /// the broker is away; the worker ends after the last of those who can send any.
    ///
    /// # Errors
    /// When the broker has other exchanges or queues than it should, or a lane died.
    pub async fn run(
        &self,
        reports: Option<mpsc::UnboundedSender<Report>>,
        requests: Option<RequestQueue>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let in_flight = InFlight::default();
        let consume = async {
            let consumed = self.consume_when_ready(reports, in_flight.clone(), stop.clone()).await;
            // Whoever sends requests stops, too, when there is nothing to be consumed.
            stop.cancel();
            consumed
        };
        let serve = self.serve(requests, in_flight.of_requests());
        // Large, and held by whoever runs a worker.
        let (consumed, ()) = tokio::join!(Box::pin(consume), Box::pin(serve));
        if let Broker::RabbitMq(rabbitmq) = &self.broker {
            rabbitmq.close().await;
        }
        consumed
    }

    async fn consume_when_ready(
        &self,
        reports: Option<mpsc::UnboundedSender<Report>>,
        in_flight: InFlight,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        tokio::select! {
            ready = self.broker.ready(&self.health) => ready?,
            () = stop.cancelled() => return Ok(()),
        }
        let prefetch = self.settings.prefetch;
        let chores = self.start_chores()?;
        let consumed = match &self.broker {
            Broker::RabbitMq(rabbitmq) => {
                let health = self.health.clone();
                let source = rabbitmq.consume(Inflow::Commands, prefetch, health, stop.clone());
                self.consume(source, || rabbitmq.publisher(), reports, in_flight, stop).await
            }
            Broker::InProcess(broker) => {
                let source = broker.consume(prefetch, stop.clone());
                self.consume(source, || broker.publisher(), reports, in_flight, stop).await
            }
        };
        chores.end().await;
        consumed
    }

    async fn serve(&self, requests: Option<RequestQueue>, in_flight: InFlight) {
        let Some(requests) = requests else { return };
        match &self.broker {
            Broker::RabbitMq(rabbitmq) => {
                self.serve_with(requests, rabbitmq.publisher(), in_flight).await;
            }
            Broker::InProcess(broker) => {
                self.serve_with(requests, broker.publisher(), in_flight).await;
            }
        }
    }

    async fn serve_with<P: Publisher>(
        &self,
        requests: RequestQueue,
        publisher: P,
        in_flight: InFlight,
    ) {
        match &self.database {
            Database::Postgres(database) => {
                let ground = self.request_ground(database.store(), publisher, in_flight);
                requests::serve(requests, ground).await;
            }
            Database::Sqlite(database) => {
                let ground = self.request_ground(database.store(), publisher, in_flight);
                requests::serve(requests, ground).await;
            }
        }
    }

    fn request_ground<S: Store, P: Publisher>(
        &self,
        store: S,
        publisher: P,
        in_flight: InFlight,
    ) -> RequestGround<S, P> {
        RequestGround {
            store,
            publisher,
            clock: Arc::new(SystemClock),
            health: self.health.clone(),
            in_flight,
            batch_max: self.settings.batch_max.into(),
            keep_unroutable_events: self.settings.keep_unroutable_events,
        }
    }

    fn start_chores(&self) -> Result<Chores, Failure> {
        let retention = self.settings.retention()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pruning = tokio::spawn(prune_for_ever(self.database.clone(), retention, clock.clone()));
        let stop = CancellationToken::new();
        let collecting = (!self.settings.no_collect).then(|| {
            let (letters, source_task) = match &self.broker {
                Broker::RabbitMq(rabbitmq) => rabbitmq.consume(
                    Inflow::DeadLetters,
                    DEAD_LETTER_PREFETCH,
                    self.health.clone(),
                    stop.clone(),
                ),
                Broker::InProcess(broker) => broker.consume_dead_letters(stop.clone()),
            };
            [tokio::spawn(collect(letters, self.database.clone(), clock)), source_task]
        });
        Ok(Chores { stop, pruning, collecting })
    }

    async fn consume<P: Publisher + 'static>(
        &self,
        source: (CommandSource, JoinHandle<()>),
        publisher: impl Fn() -> P,
        reports: Option<mpsc::UnboundedSender<Report>>,
        in_flight: InFlight,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        match &self.database {
            Database::Postgres(database) => {
                let relay = (database.relay(), publisher());
                let lanes = self.lanes(|| database.store(), publisher);
                self.work(source, lanes, relay, reports, in_flight, stop).await
            }
            Database::Sqlite(database) => {
                let relay = (database.relay(), publisher());
                let lanes = self.lanes(|| database.store(), publisher);
                self.work(source, lanes, relay, reports, in_flight, stop).await
            }
        }
    }

    fn lanes<S: Store, P: Publisher>(
        &self,
        store: impl Fn() -> S,
        publisher: impl Fn() -> P,
    ) -> Vec<(S, P)> {
        (0..self.settings.lanes).map(|_| (store(), publisher())).collect()
    }

    async fn work<S: Store + 'static, P: Publisher + 'static>(
        &self,
        (source, source_task): (CommandSource, JoinHandle<()>),
        lanes: Vec<(S, P)>,
        relay: (impl RelayStore + 'static, P),
        reports: Option<mpsc::UnboundedSender<Report>>,
        in_flight: InFlight,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let health = self.health.clone();
        let keep_unroutable = self.settings.keep_unroutable_events;
        let relay =
            Relay::new(relay.0, relay.1, health.clone(), in_flight.clone(), keep_unroutable);
        let ground = Ground { source, lanes, clock, health, in_flight };
        let settings = ConsumerSettings {
            batch_max: self.settings.batch_max.into(),
            max_attempts: self.settings.max_attempts,
            keep_unroutable_events: self.settings.keep_unroutable_events,
        };
        let relay = tokio::spawn(relay.run(self.settings.relay_interval()));
        let result = amqp::run(ground, settings, reports).await;
        relay.abort();
        // The lanes are gone: whatever the reason, the source hands back what they left.
        stop.cancel();
        // The source only ends; it has no failure to tell.
        let _ = source_task.await;
        Ok(result?)
    }
}
