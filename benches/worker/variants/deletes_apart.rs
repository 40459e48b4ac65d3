//! Deletes from the outbox in a separate statement.

use async_trait::async_trait;
use order_worker::messages::{OutboxKey, OutboxRow};
use order_worker::service_layer::{
    BatchLookup, BatchState, Changes, Store, StoreError, StoreTransaction,
};

/// Commits a batch, and then deletes confirmed events from the outbox in a separate statement.
#[derive(Debug)]
pub struct DeletesApart {
    pub store: Box<dyn Store>,
    /// Deletes, in its own session.
    pub sweeper: Box<dyn Store>,
}

#[derive(Debug)]
pub struct Transaction<'a> {
    transaction: Box<dyn StoreTransaction + 'a>,
    sweeper: &'a mut dyn Store,
}

#[async_trait]
impl Store for DeletesApart {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        let Self { store, sweeper } = self;
        let (loaded, transaction) = store.begin(needs).await?;
        Ok((loaded, Box::new(Transaction { transaction, sweeper: &mut **sweeper })))
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.sweeper.remove_published(published).await
    }
}

#[async_trait]
impl StoreTransaction for Transaction<'_> {
    async fn commit(self: Box<Self>, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        // The copy costs about 1 % of a batch's CPU, which is not the cost of the deletes.
        let without_deletes = Changes {
            placed: changes.placed.clone(),
            updated: changes.updated.clone(),
            history: changes.history.clone(),
            handled: changes.handled.clone(),
            outbox: changes.outbox.clone(),
            published: Vec::new(),
        };
        let mut earlier = self.transaction.commit(&without_deletes).await?;
        // The commit still found what is deleted only now.
        earlier.retain(|row| row.key().parse().is_none_or(|key| !changes.published.contains(&key)));
        if !changes.published.is_empty() {
            self.sweeper.remove_published(&changes.published).await?;
        }
        Ok(earlier)
    }

    async fn rollback(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.rollback().await
    }
}
