//! An in-memory database, the fake of the store ports.

mod backlog;
mod queries;
mod relay;
mod store;
mod tables;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard};

pub use queries::InMemoryQueries;
pub use relay::InMemoryRelayStore;
pub use store::InMemoryStore;
use tables::Tables;

use order_worker::domain::OrderId;
use order_worker::service_layer::StoreError;

/// Orders in memory; clones share them. An open transaction locks all tables: other transactions and
/// readers wait for it.
#[derive(Debug, Clone)]
pub struct InMemoryDatabase {
    tables: Arc<Mutex<Tables>>,
    /// The relay's lock.
    relay: Arc<Mutex<()>>,
    available: Arc<AtomicBool>,
}

impl Default for InMemoryDatabase {
    fn default() -> Self {
        Self { tables: Arc::default(), relay: Arc::default(), available: Arc::new(true.into()) }
    }
}

impl InMemoryDatabase {
    pub fn new() -> Self {
        Self::default()
    }

    /// A session for one lane.
    pub fn store(&self) -> InMemoryStore {
        InMemoryStore::new(self.clone())
    }

    pub fn queries(&self) -> InMemoryQueries {
        InMemoryQueries::new(self.clone())
    }

    pub fn relay(&self) -> InMemoryRelayStore {
        InMemoryRelayStore::new(self.clone())
    }

    /// From now on rejects each commit that changes this order, as a database constraint would.
    pub async fn refuse_order(&self, order_id: OrderId) {
        self.tables.lock().await.refuse(order_id);
    }

    /// Makes the present outbox rows of this order unreadable, as rows of a newer version are.
    pub async fn garble_outbox(&self, order_id: &OrderId) {
        self.tables.lock().await.garble_outbox(order_id);
    }

    /// Whether transactions can begin and commit; the data stays.
    pub fn set_available(&self, available: bool) {
        self.available.store(available, Ordering::Relaxed);
    }

    async fn lock(&self) -> Result<OwnedMutexGuard<Tables>, StoreError> {
        let tables = Arc::clone(&self.tables).lock_owned().await;
        self.ensure_available()?;
        Ok(tables)
    }

    fn ensure_available(&self) -> Result<(), StoreError> {
        if self.available.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(StoreError::Unavailable("switched off".to_owned()))
        }
    }
}
