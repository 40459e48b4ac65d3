//! The outbox of the in-memory database, for the relay.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::OwnedMutexGuard;

use super::InMemoryDatabase;
use order_worker::adapters::clock::SystemClock;
use order_worker::messages::{OutboxKey, OutboxRow, RawOutboxKey};
use order_worker::service_layer::{Clock, RelayStore, StoreError};

/// The relay's session with the in-memory database.
#[derive(Debug)]
pub struct InMemoryRelayStore {
    database: InMemoryDatabase,
    /// The relay's lock, while held.
    lock: Option<OwnedMutexGuard<()>>,
}

impl InMemoryRelayStore {
    pub(super) fn new(database: InMemoryDatabase) -> Self {
        Self { database, lock: None }
    }
}

#[async_trait]
impl RelayStore for InMemoryRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        if self.lock.is_none() {
            self.lock = Arc::clone(&self.database.relay).try_lock_owned().ok();
        }
        Ok(self.lock.is_some())
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        Ok(SystemClock.now())
    }

    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        Ok(self.database.lock().await?.waiting(committed_until, after, limit))
    }

    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.database.lock().await?.remove_published(published);
        Ok(())
    }
}
