//! What a worker takes from its broker and its database, whichever they are.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::adapters::in_process::{InProcessBroker, InProcessPublisher};
use crate::adapters::postgres::{PgDatabase, PgRelayStore, PgStore};
use crate::adapters::rabbitmq::{RabbitMq, RabbitPublisher};
use crate::adapters::sqlite::{SqliteDatabase, SqliteRelayStore, SqliteStore};
use crate::service_layer::{CommandSource, Health, Inflow, Publisher, RelayStore, Store};

/// A broker that a worker can stand on.
pub trait Transport {
    type Publisher: Publisher + 'static;

    /// A publisher with a channel of its own.
    fn publisher(&self) -> Self::Publisher;

    /// Starts to consume; see [`CommandSource`].
    fn consume(
        &self,
        inflow: Inflow,
        prefetch: u16,
        health: Health,
        stop: CancellationToken,
    ) -> (CommandSource, JoinHandle<()>);

    /// Closes what the publishers share.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

impl Transport for RabbitMq {
    type Publisher = RabbitPublisher;

    fn publisher(&self) -> RabbitPublisher {
        self.publisher()
    }

    fn consume(
        &self,
        inflow: Inflow,
        prefetch: u16,
        health: Health,
        stop: CancellationToken,
    ) -> (CommandSource, JoinHandle<()>) {
        self.consume(inflow, prefetch, health, stop)
    }

    async fn close(&self) {
        self.close().await;
    }
}

impl Transport for InProcessBroker {
    type Publisher = InProcessPublisher;

    fn publisher(&self) -> InProcessPublisher {
        self.publisher()
    }

    fn consume(
        &self,
        inflow: Inflow,
        prefetch: u16,
        health: Health,
        stop: CancellationToken,
    ) -> (CommandSource, JoinHandle<()>) {
        // There is nothing that could keep it from doing so.
        health.consumes(inflow);
        match inflow {
            Inflow::Commands => self.consume(prefetch, stop),
            Inflow::DeadLetters => self.consume_dead_letters(stop),
        }
    }

    async fn close(&self) {}
}

/// A database that a worker can stand on.
pub trait Stores {
    type Store: Store + 'static;
    type RelayStore: RelayStore + 'static;

    /// A session for one lane.
    fn store(&self) -> Self::Store;

    fn relay(&self) -> Self::RelayStore;
}

impl Stores for PgDatabase {
    type Store = PgStore;
    type RelayStore = PgRelayStore;

    fn store(&self) -> PgStore {
        self.store()
    }

    fn relay(&self) -> PgRelayStore {
        self.relay()
    }
}

impl Stores for SqliteDatabase {
    type Store = SqliteStore;
    type RelayStore = SqliteRelayStore;

    fn store(&self) -> SqliteStore {
        self.store()
    }

    fn relay(&self) -> SqliteRelayStore {
        self.relay()
    }
}
