//! Transactions of the in-memory database.

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use super::InMemoryDatabase;
use super::tables::Tables;
use order_worker::messages::{OutboxKey, OutboxRow};
use order_worker::service_layer::{
    BatchLookup, BatchState, Changes, MAX_LOADED_ITEMS, Store, StoreError, StoreTransaction,
};

/// A lane's session with the in-memory database.
#[derive(Debug, Clone)]
pub struct InMemoryStore {
    database: InMemoryDatabase,
}

/// An open transaction. It locks the tables and changes nothing before its commit, so dropping it rolls
/// back.
#[derive(Debug)]
pub struct InMemoryTransaction {
    database: InMemoryDatabase,
    tables: OwnedMutexGuard<Tables>,
}

impl InMemoryStore {
    pub(super) fn new(database: InMemoryDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Store for InMemoryStore {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        let mut tables = self.database.lock().await?;
        let loaded = tables.load(needs);
        let items: usize = loaded.orders.iter().map(|order| order.items().iter().count()).sum();
        if items > MAX_LOADED_ITEMS && needs.order_ids.len() > 1 {
            return Err(StoreError::TooLarge);
        }
        let database = self.database.clone();
        Ok((loaded, Box::new(InMemoryTransaction { database, tables })))
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.database.lock().await?.remove_published(published);
        Ok(())
    }
}

#[async_trait]
impl StoreTransaction for InMemoryTransaction {
    async fn commit(mut self: Box<Self>, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        self.database.ensure_available()?;
        self.tables.apply(changes)
    }

    async fn rollback(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
