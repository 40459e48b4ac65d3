//! This program as a worker: put together as `bootstrap` does it, of the same parts, with one of
//! them behind a wrapper that takes away what the worker does to be fast. Nothing in the product has
//! a switch for it.

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
use order_worker::service_layer::{
    CommandSource, ConsumedQueue, Health, InFlight, IntakeBounds, Publisher, Relay, Store,
};
use order_worker::telemetry::Telemetry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::deletes_apart::DeletesApart;
use self::one_by_one::OneByOne;
use self::plain_source::{AckTracker, PlainSource};
use self::stopwatch::Times;
use crate::Failure;

/// The first argument of this program when it is to be a worker.
pub const COMMAND: &str = "worker";

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rung {
    /// Nothing.
    Parts,
    /// Each event waits for the confirm of the one before.
    ConfirmsOneByOne,
    /// Confirmed events leave the outbox in a statement of their own, not with the next batch.
    DeletesApart,
    /// A bare consumer in place of the supervised one; for comparison with the next.
    PlainSource,
    /// The same, with an acknowledgement for each message.
    SingleAcks,
    /// Nothing, but commits and confirms are timed.
    Stopwatch,
}

impl Rung {
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
    rung: Rung,
    #[command(flatten)]
    settings: Settings,
}

/// The program as a worker; `arguments` are those behind [`COMMAND`].
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let Arguments { rung, settings } =
        Arguments::parse_from([COMMAND.to_owned()].into_iter().chain(arguments));
    match run(rung, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench worker: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(rung: Rung, settings: Settings) -> Result<(), Failure> {
    let _telemetry = Telemetry::start(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { Parts::of(settings).await?.run(rung).await })
}

type Source = (CommandSource, JoinHandle<()>);

/// What a worker is put together of.
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
        let (mut terminated, told) = (signal(SignalKind::terminate())?, stop.clone());
        tokio::spawn(async move {
            terminated.recv().await;
            told.cancel();
        });
        Ok(Self { settings, database, broker, health, stop })
    }

    async fn run(self, rung: Rung) -> Result<(), Failure> {
        let store = || -> Box<dyn Store> { Box::new(self.database.store()) };
        let publisher = || -> Box<dyn Publisher> { Box::new(self.broker.publisher()) };
        match rung {
            Rung::Parts => self.work(self.source(), store, publisher).await,
            Rung::ConfirmsOneByOne => {
                self.work(self.source(), store, || Box::new(OneByOne(publisher()))).await
            }
            Rung::DeletesApart => {
                let apart = || -> Box<dyn Store> {
                    Box::new(DeletesApart { store: store(), sweeper: store() })
                };
                self.work(self.source(), apart, publisher).await
            }
            Rung::PlainSource => {
                self.work(self.plain_source(AckTracker::OfRuns).await?, store, publisher).await
            }
            Rung::SingleAcks => {
                self.work(self.plain_source(AckTracker::OfEach).await?, store, publisher).await
            }
            Rung::Stopwatch => {
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
        let bounds =
            IntakeBounds { prefetch: self.settings.prefetch, bytes: self.settings.command_bytes() };
        let health = self.health.clone();
        self.broker.consume(ConsumedQueue::Commands, bounds, health, self.stop.clone())
    }

    async fn plain_source(&self, acks: AckTracker) -> Result<Source, Failure> {
        let url = self.settings.broker_url()?.ok_or("AMQP_URL is not set")?;
        let queue = topology(&self.settings).commands_queue;
        let source = PlainSource { url: url.expose(), queue: &queue, acks };
        source.consume(self.settings.prefetch, self.stop.clone()).await
    }

    /// Works until told to stop, and everything that was begun is settled and published.
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
        let ground = ConsumerDeps {
            source,
            lanes: (0..self.settings.lanes)
                .map(|_| LanePorts { store: store(), event_publishers: publishers() })
                .collect(),
            republisher: publisher(),
            reply_publisher: publisher(),
            clock: Arc::new(SystemClock),
            health: self.health.clone(),
            in_flight,
        };
        let settings = ConsumerSettings {
            batch_max: self.settings.batch_max.into(),
            max_attempts: self.settings.max_attempts,
            keep_unroutable_events: self.settings.keep_unroutable_events,
            reply_bytes: self.settings.reply_bytes(),
        };
        let result = amqp::run(ground, settings).await;
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
