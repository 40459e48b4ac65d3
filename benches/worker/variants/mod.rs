//! This program as a worker: assembled as in `bootstrap`, from the same parts, with one of them behind a
//! wrapper that removes an optimization. The worker itself has no switch for it.

mod deletes_apart;
mod one_by_one;
mod plain_source;
mod stopwatch;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use order_worker::adapters::clock::SystemClock;
use order_worker::adapters::postgres::PgDatabase;
use order_worker::adapters::rabbitmq::RabbitMq;
use order_worker::bootstrap::{Broker, topology};
use order_worker::config::{DatabaseUrl, Settings};
use order_worker::entrypoints::amqp::{
    self, ConsumerDeps, ConsumerSettings, EVENT_PUBLISHERS, LanePorts,
};
use order_worker::messages::ConsumedQueue;
use order_worker::service_layer::{
    ByteBudget, CommandSource, Health, InFlight, IntakeBounds, Publisher, Relay, Store,
};
use order_worker::telemetry::Telemetry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::deletes_apart::DeletesApart;
use self::one_by_one::OneByOne;
use self::plain_source::{AckMode, PlainSource};
use self::stopwatch::Times;
use crate::Failure;

/// The first argument that runs this program as a worker.
pub const COMMAND: &str = "worker";

/// What to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Variant {
    /// Nothing.
    Parts,
    /// Each event waits for the confirm of the previous one.
    ConfirmsOneByOne,
    /// Confirmed events are deleted from the outbox in a separate statement, not with the next batch.
    DeletesApart,
    /// A plain consumer instead of the supervised one; the baseline of `SingleAcks`.
    PlainSource,
    /// A plain consumer that acknowledges each message alone.
    SingleAcks,
    /// Nothing, but times commits and confirms.
    Stopwatch,
}

impl Variant {
    pub fn name(self) -> &'static str {
        match self {
            Self::Parts => "parts",
            Self::ConfirmsOneByOne => "confirms-one-by-one",
            Self::DeletesApart => "deletes-apart",
            Self::PlainSource => "plain-source",
            Self::SingleAcks => "single-acks",
            Self::Stopwatch => "stopwatch",
        }
    }
}

#[derive(Debug, Parser)]
struct Arguments {
    variant: Variant,
    #[command(flatten)]
    settings: Settings,
}

/// Runs as a worker; `arguments` are those after [`COMMAND`].
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let Arguments { variant, settings } =
        Arguments::parse_from([COMMAND.to_owned()].into_iter().chain(arguments));
    match run(variant, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench worker: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(variant: Variant, settings: Settings) -> Result<(), Failure> {
    let _telemetry = Telemetry::start(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { Parts::of(settings).await?.run(variant).await })
}

type Source = (CommandSource, JoinHandle<()>);

/// The parts of a worker.
struct Parts {
    settings: Settings,
    database: PgDatabase,
    broker: RabbitMq,
    health: Health,
    stop: CancellationToken,
}

impl Parts {
    async fn of(settings: Settings) -> Result<Self, Failure> {
        let (DatabaseUrl::Postgres(url), Broker::RabbitMq(broker)) =
            (settings.database()?, Broker::of(&settings)?)
        else {
            return Err(
                "the bench needs AMQP_URL and DATABASE_URL of RabbitMQ and PostgreSQL".into()
            );
        };
        let health = Health::default();
        let broker = broker.counted_in(health.metrics().clone());
        let database = PgDatabase::connect(url.expose()).await?;
        database.migrate().await?;
        broker.prepare().await?;
        let stop = CancellationToken::new();
        let (mut terminated, stopper) = (signal(SignalKind::terminate())?, stop.clone());
        tokio::spawn(async move {
            terminated.recv().await;
            stopper.cancel();
        });
        Ok(Self { settings, database, broker, health, stop })
    }

    async fn run(self, variant: Variant) -> Result<(), Failure> {
        let store = || -> Box<dyn Store> { Box::new(self.database.store()) };
        let publisher = || -> Box<dyn Publisher> { Box::new(self.broker.publisher()) };
        match variant {
            Variant::Parts => self.work(self.source(), store, publisher).await,
            Variant::ConfirmsOneByOne => {
                self.work(self.source(), store, || Box::new(OneByOne(publisher()))).await
            }
            Variant::DeletesApart => {
                let apart = || -> Box<dyn Store> {
                    Box::new(DeletesApart { store: store(), sweeper: store() })
                };
                self.work(self.source(), apart, publisher).await
            }
            Variant::PlainSource => {
                self.work(self.plain_source(AckMode::Multiple).await?, store, publisher).await
            }
            Variant::SingleAcks => {
                self.work(self.plain_source(AckMode::Single).await?, store, publisher).await
            }
            Variant::Stopwatch => {
                let times = Times::default();
                let store = || -> Box<dyn Store> { Box::new(times.store(store())) };
                let publisher = || -> Box<dyn Publisher> { Box::new(times.publisher(publisher())) };
                self.work(self.source(), store, publisher).await?;
                times.print();
                Ok(())
            }
        }
    }

    fn source(&self) -> Source {
        let bounds = IntakeBounds {
            prefetch: self.settings.prefetch,
            bytes: ByteBudget::new(self.settings.byte_share()),
        };
        let health = self.health.clone();
        self.broker.consume(ConsumedQueue::Commands, bounds, health, self.stop.clone())
    }

    async fn plain_source(&self, acks: AckMode) -> Result<Source, Failure> {
        let url = self.settings.broker_url()?.ok_or("AMQP_URL is not set")?;
        let queue = topology(&self.settings).commands_queue;
        let source = PlainSource { url: url.expose(), queue: &queue, acks };
        source.consume(self.settings.prefetch, self.stop.clone()).await
    }

    /// Works until SIGTERM, then until everything in flight is settled and published.
    async fn work(
        &self,
        (source, source_task): Source,
        store: impl Fn() -> Box<dyn Store>,
        publisher: impl Fn() -> Box<dyn Publisher>,
    ) -> Result<(), Failure> {
        let publishers = || (0..EVENT_PUBLISHERS).map(|_| publisher()).collect();
        let in_flight = InFlight::default();
        let relay = self.relay(in_flight.clone());
        let relay = tokio::spawn(relay.run(self.settings.relay_interval()));
        let deps = ConsumerDeps {
            source,
            lanes: (0..self.settings.lanes)
                .map(|_| LanePorts { store: store(), event_publishers: publishers() })
                .collect(),
            republisher: publisher(),
            reply_publisher: publisher(),
            reroute_publisher: None,
            clock: Arc::new(SystemClock),
            health: self.health.clone(),
            in_flight,
        };
        let settings = ConsumerSettings {
            batch_max: self.settings.batch_max.into(),
            max_attempts: self.settings.max_attempts,
            keep_unroutable_events: self.settings.keep_unroutable_events,
            reply_bytes: ByteBudget::new(self.settings.byte_share()),
        };
        let result = amqp::run(deps, settings).await;
        relay.abort();
        self.stop.cancel();
        source_task.await?;
        self.broker.close().await;
        Ok(result?)
    }

    fn relay(&self, in_flight: InFlight) -> Relay {
        let keep_unroutable = self.settings.keep_unroutable_events;
        let store = Box::new(self.database.relay());
        let publisher = Box::new(self.broker.publisher());
        Relay::new(store, publisher, self.health.clone(), in_flight, keep_unroutable)
    }
}
