//! Puts the parts together: the only place that names both the service layer and the adapters.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::adapters::clock::SystemClock;
use crate::adapters::in_process::InProcessBroker;
use crate::adapters::postgres::PgDatabase;
use crate::adapters::rabbitmq::{RabbitError, RabbitMq};
use crate::adapters::sqlite::SqliteDatabase;
use crate::config::{DatabaseUrl, InvalidSetting, Settings};
use crate::domain::{MessageId, Order, OrderId};
use crate::entrypoints::amqp::{self, ConsumerSettings, Ground, LaneDied, Report};
use crate::entrypoints::dead_letters::collect;
use crate::service_layer::dead_letters::{
    DeadLetterStore, Letter, LetterAction, LetterFilter, LetterGroup, Pruned, Retention, Revision,
    StoredLetter, prune_for_ever,
};
use crate::service_layer::{
    Backoff, Clock, CommandSource, HandledMessage, Health, InFlight, Inflow, OrderHistory,
    OrderQueries, OrderQuery, Publisher, Relay, RelayStore, Store, StoreError,
};

/// Where the orders are.
#[derive(Debug, Clone)]
pub enum Database {
    Postgres(PgDatabase),
    Sqlite(SqliteDatabase),
}

/// Where commands come from and events go.
#[derive(Debug, Clone)]
pub enum Broker {
    RabbitMq(RabbitMq),
    InProcess(InProcessBroker),
}

/// Why the worker cannot begin, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    #[error(transparent)]
    Database(#[from] StoreError),
    #[error("RabbitMQ: {0}")]
    Broker(#[from] RabbitError),
    #[error("the database has not the tables of this program: run `order-worker migrate`")]
    NotMigrated,
    #[error(transparent)]
    LaneDied(#[from] LaneDied),
}

impl Database {
    /// Opens the database that the settings name.
    ///
    /// # Errors
    /// When the settings are wrong or the database does not answer.
    pub async fn open(settings: &Settings) -> Result<Self, Failure> {
        Ok(match settings.database()? {
            DatabaseUrl::Postgres(url) => Self::Postgres(PgDatabase::connect(url.expose()).await?),
            DatabaseUrl::Sqlite(url) => Self::Sqlite(SqliteDatabase::open(url.expose()).await?),
        })
    }

    /// Opens the database and brings its tables up to date, or makes sure that they are; waits for
    /// the database as long as it takes.
    ///
    /// # Errors
    /// When the settings are wrong, or the tables are not those of this program.
    pub async fn ready(settings: &Settings, health: &Health) -> Result<Self, Failure> {
        let mut backoff = Backoff::for_database();
        loop {
            match Self::try_ready(settings).await {
                Err(Failure::Database(StoreError::Unavailable(reason))) => {
                    health.database_in_trouble(&reason);
                    backoff.pause().await;
                }
                ready => {
                    health.database_answers();
                    return ready;
                }
            }
        }
    }

    async fn try_ready(settings: &Settings) -> Result<Self, Failure> {
        let database = Self::open(settings).await?;
        if settings.no_migrate {
            database.ensure_migrated().await?;
        } else {
            database.migrate().await?;
        }
        Ok(database)
    }

    /// # Errors
    /// When the database is in trouble.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(database) => database.migrate().await,
            Self::Sqlite(database) => database.migrate().await,
        }
    }

    /// # Errors
    /// [`Failure::NotMigrated`] when the tables are not those of this program.
    pub async fn ensure_migrated(&self) -> Result<(), Failure> {
        let migrated = match self {
            Self::Postgres(database) => database.is_migrated().await?,
            Self::Sqlite(database) => database.is_migrated().await?,
        };
        migrated.then_some(()).ok_or(Failure::NotMigrated)
    }
}

impl OrderQueries for Database {
    async fn orders(&self, query: &OrderQuery, limit: u32) -> Result<Vec<Order>, StoreError> {
        match self {
            Self::Postgres(database) => database.queries().orders(query, limit).await,
            Self::Sqlite(database) => database.queries().orders(query, limit).await,
        }
    }

    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError> {
        match self {
            Self::Postgres(database) => database.queries().order(order_id).await,
            Self::Sqlite(database) => database.queries().order(order_id).await,
        }
    }

    async fn message(&self, message_id: &MessageId) -> Result<Option<HandledMessage>, StoreError> {
        match self {
            Self::Postgres(database) => database.queries().message(message_id).await,
            Self::Sqlite(database) => database.queries().message(message_id).await,
        }
    }
}

/// Hands a question or a change on to whichever database it is.
macro_rules! dead_letters {
    ($database:expr, $method:ident($($argument:expr),*)) => {
        match $database {
            Database::Postgres(database) => database.dead_letters().$method($($argument),*).await,
            Database::Sqlite(database) => database.dead_letters().$method($($argument),*).await,
        }
    };
}

impl DeadLetterStore for Database {
    async fn collect(&self, letters: &[Letter], now: DateTime<Utc>) -> Result<u64, StoreError> {
        dead_letters!(self, collect(letters, now))
    }

    async fn letters(
        &self,
        filter: &LetterFilter,
        limit: u32,
    ) -> Result<Vec<StoredLetter>, StoreError> {
        dead_letters!(self, letters(filter, limit))
    }

    async fn letter_ids(&self, filter: &LetterFilter) -> Result<Vec<i64>, StoreError> {
        dead_letters!(self, letter_ids(filter))
    }

    async fn letter_groups(
        &self,
        filter: &LetterFilter,
        limit: u32,
    ) -> Result<Vec<LetterGroup>, StoreError> {
        dead_letters!(self, letter_groups(filter, limit))
    }

    async fn letter(&self, id: i64) -> Result<Option<StoredLetter>, StoreError> {
        dead_letters!(self, letter(id))
    }

    async fn letter_actions(&self, id: i64) -> Result<Vec<LetterAction>, StoreError> {
        dead_letters!(self, letter_actions(id))
    }

    async fn claim_letter(
        &self,
        id: i64,
        most_replays: u32,
        abandoned_before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<StoredLetter>, StoreError> {
        dead_letters!(self, claim_letter(id, most_replays, abandoned_before, now))
    }

    async fn finish_replay(
        &self,
        id: i64,
        replay: u32,
        confirmed: bool,
        action: &LetterAction,
    ) -> Result<(), StoreError> {
        dead_letters!(self, finish_replay(id, replay, confirmed, action))
    }

    async fn revise_letter(
        &self,
        id: i64,
        revision: u32,
        revised: &Revision,
        action: &LetterAction,
    ) -> Result<bool, StoreError> {
        dead_letters!(self, revise_letter(id, revision, revised, action))
    }

    async fn discard_letter(&self, id: i64, action: &LetterAction) -> Result<bool, StoreError> {
        dead_letters!(self, discard_letter(id, action))
    }

    async fn restore_letter(&self, id: i64, action: &LetterAction) -> Result<bool, StoreError> {
        dead_letters!(self, restore_letter(id, action))
    }

    async fn prune(&self, retention: &Retention, limit: u32) -> Result<Pruned, StoreError> {
        dead_letters!(self, prune(retention, limit))
    }
}

impl Broker {
    /// The broker that the settings name, or one in this process.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        Ok(match settings.broker_url()? {
            Some(url) => {
                let declare = !settings.no_declare;
                Self::RabbitMq(RabbitMq::new(url.expose(), settings.topology(), declare)?)
            }
            None => Self::InProcess(InProcessBroker::new(settings.retry_delays())),
        })
    }

    /// Makes sure that exchanges and queues are there; waits for the broker as long as it takes.
    ///
    /// # Errors
    /// When one of them is missing or is not as it should be.
    async fn ready(&self, health: &Health) -> Result<(), Failure> {
        let Self::RabbitMq(rabbitmq) = self else { return Ok(()) };
        let mut backoff = Backoff::for_broker();
        loop {
            match rabbitmq.prepare().await {
                Err(RabbitError::Unavailable(reason) | RabbitError::Unreadable(reason)) => {
                    health.cannot_consume(Inflow::Commands, &reason);
                    backoff.pause().await;
                }
                ready => return Ok(ready?),
            }
        }
    }
}

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
    /// becomes of each message is told to `reports`.
    ///
    /// # Errors
    /// When the broker has other exchanges or queues than it should, or a lane died.
    pub async fn run(
        &self,
        reports: Option<mpsc::UnboundedSender<Report>>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        tokio::select! {
            ready = self.broker.ready(&self.health) => ready?,
            () = stop.cancelled() => return Ok(()),
        }
        let prefetch = self.settings.prefetch;
        let chores = self.start_chores()?;
        match &self.broker {
            Broker::RabbitMq(rabbitmq) => {
                let health = self.health.clone();
                let source = rabbitmq.consume(Inflow::Commands, prefetch, health, stop.clone());
                let result = self.consume(source, || rabbitmq.publisher(), reports, stop).await;
                chores.end().await;
                rabbitmq.close().await;
                result
            }
            Broker::InProcess(broker) => {
                let source = broker.consume(prefetch, stop.clone());
                let result = self.consume(source, || broker.publisher(), reports, stop).await;
                chores.end().await;
                result
            }
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
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        match &self.database {
            Database::Postgres(database) => {
                let relay = (database.relay(), publisher());
                let lanes = self.lanes(|| database.store(), publisher);
                self.work(source, lanes, relay, reports, stop).await
            }
            Database::Sqlite(database) => {
                let relay = (database.relay(), publisher());
                let lanes = self.lanes(|| database.store(), publisher);
                self.work(source, lanes, relay, reports, stop).await
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
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let health = self.health.clone();
        let in_flight = InFlight::default();
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
