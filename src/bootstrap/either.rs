//! Whichever database and broker it is, as one type: for those of whom there are few. The lanes are
//! built for one kind each.

use std::sync::Arc;

use super::{Broker, Database};
use crate::adapters::in_process::InProcessPublisher;
use crate::adapters::postgres::{PgStore, PgTransaction};
use crate::adapters::rabbitmq::RabbitPublisher;
use crate::adapters::sqlite::{SqliteStore, SqliteTransaction};
use crate::entrypoints::dead_letters::Rehearsal;
use crate::service_layer::{
    Changes, Clock, Confirmation, Loaded, Needs, OutboxKey, Outgoing, Publication, PublishError,
    Publisher, Store, StoreError, StoreTransaction,
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

/// A way to publish.
#[derive(Debug)]
pub enum EitherPublisher {
    RabbitMq(RabbitPublisher),
    InProcess(InProcessPublisher),
}

/// Tries dead letters out.
#[must_use]
pub fn rehearsal(database: &Database, clock: Arc<dyn Clock>) -> Rehearsal<EitherStore, Database> {
    Rehearsal::new(database.store(), database.clone(), clock)
}

impl Database {
    #[must_use]
    pub fn store(&self) -> EitherStore {
        match self {
            Self::Postgres(database) => EitherStore::Postgres(database.store()),
            Self::Sqlite(database) => EitherStore::Sqlite(database.store()),
        }
    }
}

impl Broker {
    #[must_use]
    pub fn publisher(&self) -> EitherPublisher {
        match self {
            Self::RabbitMq(broker) => EitherPublisher::RabbitMq(broker.publisher()),
            Self::InProcess(broker) => EitherPublisher::InProcess(broker.publisher()),
        }
    }
}

impl Store for EitherStore {
    type Transaction<'a> = EitherTransaction<'a>;

    async fn begin(
        &mut self,
        needs: &Needs,
    ) -> Result<(Loaded, Self::Transaction<'_>), StoreError> {
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
    async fn commit(self, changes: &Changes) -> Result<Vec<Outgoing>, StoreError> {
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

impl Publisher for EitherPublisher {
    async fn publish(&mut self, window: &[Publication]) -> Result<Vec<Confirmation>, PublishError> {
        match self {
            Self::RabbitMq(publisher) => publisher.publish(window).await,
            Self::InProcess(publisher) => publisher.publish(window).await,
        }
    }
}
