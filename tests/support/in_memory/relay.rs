//! The outbox in memory, for the relay.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::OwnedMutexGuard;

use super::InMemoryDatabase;
use order_worker::adapters::clock::SystemClock;
use order_worker::service_layer::{
    Clock, OutboxKey, OutboxRow, RawOutboxKey, RelayStore, StoreError,
};

/// The relay's session with a database in memory.
#[derive(Debug)]
pub struct InMemoryRelayStore {
    database: InMemoryDatabase,
    /// Held by the one relay.
    turn: Option<OwnedMutexGuard<()>>,
}

impl InMemoryRelayStore {
    pub(super) fn new(database: InMemoryDatabase) -> Self {
        Self { database, turn: None }
    }
}

#[async_trait]
impl RelayStore for InMemoryRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        if self.turn.is_none() {
            self.turn = Arc::clone(&self.database.relay).try_lock_owned().ok();
        }
        Ok(self.turn.is_some())
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
