//! An outbox that is not emptied by the way.

use order_worker::service_layer::{
    BatchLookup, BatchState, Changes, OutboxKey, OutboxRow, Store, StoreError, StoreTransaction,
};

/// Commits a batch, and takes confirmed events out of the outbox in a statement of its own.
#[derive(Debug)]
pub struct DeletesApart<S> {
    pub store: S,
    /// A session of its own.
    pub sweeper: S,
}

#[derive(Debug)]
pub struct Transaction<'a, T, S> {
    transaction: T,
    sweeper: &'a mut S,
}

impl<S: Store> Store for DeletesApart<S> {
    type Transaction<'a>
        = Transaction<'a, S::Transaction<'a>, S>
    where
        S: 'a;

    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Self::Transaction<'_>), StoreError> {
        let Self { store, sweeper } = self;
        let (loaded, transaction) = store.begin(needs).await?;
        Ok((loaded, Transaction { transaction, sweeper }))
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.sweeper.remove_published(published).await
    }
}

impl<T: StoreTransaction, S: Store> StoreTransaction for Transaction<'_, T, S> {
    async fn commit(self, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        // The copy costs this rung some CPU that is not the deletes': about 1 % of a batch's.
        let without_deletes = Changes {
            placed: changes.placed.clone(),
            updated: changes.updated.clone(),
            history: changes.history.clone(),
            handled: changes.handled.clone(),
            outgoing: changes.outgoing.clone(),
            published: Vec::new(),
        };
        let mut earlier = self.transaction.commit(&without_deletes).await?;
        // What is deleted only now was still there for the commit to find.
        earlier.retain(|row| row.key().parse().is_none_or(|key| !changes.published.contains(&key)));
        if !changes.published.is_empty() {
            self.sweeper.remove_published(&changes.published).await?;
        }
        Ok(earlier)
    }

    async fn rollback(self) -> Result<(), StoreError> {
        self.transaction.rollback().await
    }
}
