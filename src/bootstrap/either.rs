//! The ports on whichever database and broker it is. Which one is asked once for a batch, which
//! costs nothing; types for each pair of them would build the worker four times.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Broker, Database};
use crate::adapters::in_process::InProcessPublisher;
use crate::adapters::postgres::{PgRelayStore, PgStore, PgTransaction};
use crate::adapters::rabbitmq::RabbitPublisher;
use crate::adapters::sqlite::{SqliteRelayStore, SqliteStore, SqliteTransaction};
use crate::service_layer::dead_letters::DryRun;
use crate::service_layer::{
    BatchLookup, BatchState, Changes, Clock, OutboxKey, OutboxRow, Publication, PublishError,
    PublishStatus, Publisher, RawOutboxKey, RelayHolder, RelayStore, Store, StoreError,
    StoreTransaction,
};

/// A session with a database.
#[derive(Debug)]
pub enum EitherStore {
    Postgres(PgStore),
    Sqlite(SqliteStore),
}

/// An open transaction of such a session.
#[derive(Debug)]
pub enum EitherTransaction<'a> {
    Postgres(PgTransaction<'a>),
    Sqlite(SqliteTransaction),
}

/// The outbox of such a database, for a relay.
#[derive(Debug)]
pub enum EitherRelayStore {
    Postgres(PgRelayStore),
    Sqlite(SqliteRelayStore),
}

/// A way to publish.
#[derive(Debug)]
pub enum EitherPublisher {
    RabbitMq(Box<RabbitPublisher>),
    InProcess(InProcessPublisher),
}

/// Tries dead letters out.
pub fn rehearsal(database: &Database, clock: Arc<dyn Clock>) -> DryRun<EitherStore, Database> {
    DryRun::new(database.store(), database.clone(), clock)
}

impl Database {
    pub fn store(&self) -> EitherStore {
        match self {
            Self::Postgres(database) => EitherStore::Postgres(database.store()),
            Self::Sqlite(database) => EitherStore::Sqlite(database.store()),
        }
    }

    pub fn relay(&self) -> EitherRelayStore {
        match self {
            Self::Postgres(database) => EitherRelayStore::Postgres(database.relay()),
            Self::Sqlite(database) => EitherRelayStore::Sqlite(database.relay()),
        }
    }
}

impl Broker {
    pub fn publisher(&self) -> EitherPublisher {
        match self {
            Self::RabbitMq(broker) => EitherPublisher::RabbitMq(Box::new(broker.publisher())),
            Self::InProcess(broker) => EitherPublisher::InProcess(broker.publisher()),
        }
    }
}

impl Store for EitherStore {
    type Transaction<'a> = EitherTransaction<'a>;

    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Self::Transaction<'_>), StoreError> {
        Ok(match self {
            Self::Postgres(store) => {
                let (loaded, transaction) = store.begin(needs).await?;
                (loaded, EitherTransaction::Postgres(transaction))
            }
            Self::Sqlite(store) => {
                let (loaded, transaction) = store.begin(needs).await?;
                (loaded, EitherTransaction::Sqlite(transaction))
            }
        })
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.remove_published(published).await,
            Self::Sqlite(store) => store.remove_published(published).await,
        }
    }
}

impl StoreTransaction for EitherTransaction<'_> {
    async fn commit(self, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        match self {
            Self::Postgres(transaction) => transaction.commit(changes).await,
            Self::Sqlite(transaction) => transaction.commit(changes).await,
        }
    }

    async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(transaction) => transaction.rollback().await,
            Self::Sqlite(transaction) => transaction.rollback().await,
        }
    }
}

impl RelayStore for EitherRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        match self {
            Self::Postgres(store) => store.try_become_relay().await,
            Self::Sqlite(store) => store.try_become_relay().await,
        }
    }

    fn holder(&self) -> Option<RelayHolder> {
        match self {
            Self::Postgres(store) => store.holder(),
            Self::Sqlite(store) => store.holder(),
        }
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        match self {
            Self::Postgres(store) => store.now().await,
            Self::Sqlite(store) => store.now().await,
        }
    }

    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        match self {
            Self::Postgres(store) => store.waiting(committed_until, after, limit).await,
            Self::Sqlite(store) => store.waiting(committed_until, after, limit).await,
        }
    }

    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.remove(published).await,
            Self::Sqlite(store) => store.remove(published).await,
        }
    }
}

impl Publisher for EitherPublisher {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        match self {
            Self::RabbitMq(publisher) => publisher.publish(window).await,
            Self::InProcess(publisher) => publisher.publish(window).await,
        }
    }
}
