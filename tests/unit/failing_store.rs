//! An in-memory store that fails on demand.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::support::in_memory::{InMemoryDatabase, InMemoryStore};
use async_trait::async_trait;
use order_worker::domain::OrderId;
use order_worker::messages::OutboxKey;
use order_worker::service_layer::{BatchLookup, BatchState, Store, StoreError, StoreTransaction};

type ErrorFor = Box<dyn FnMut(&BatchLookup) -> Option<StoreError> + Send>;

/// A lane's session. `begin` fails with the error that `error_for` returns, if any.
#[derive(Clone)]
pub struct FailingStore {
    store: InMemoryStore,
    error_for: Arc<Mutex<ErrorFor>>,
    lookups: Arc<Mutex<Vec<Lookup>>>,
}

/// The arguments of a `begin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    pub order_ids: Vec<OrderId>,
    pub skip_locked: bool,
}

impl FailingStore {
    pub fn new(
        database: &InMemoryDatabase,
        error_for: impl FnMut(&BatchLookup) -> Option<StoreError> + Send + 'static,
    ) -> Self {
        let error_for: ErrorFor = Box::new(error_for);
        let error_for = Arc::new(Mutex::new(error_for));
        Self { store: database.store(), error_for, lookups: Arc::default() }
    }

    /// Fails with these errors in turn, then no more.
    pub fn with_errors<const N: usize>(
        database: &InMemoryDatabase,
        errors: [StoreError; N],
    ) -> Self {
        let mut errors = errors.into_iter();
        Self::new(database, move |_| errors.next())
    }

    pub fn lookups(&self) -> Vec<Lookup> {
        self.lookups.lock().unwrap().clone()
    }
}

impl fmt::Debug for FailingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingStore").field("store", &self.store).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for FailingStore {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        let (order_ids, skip_locked) = (needs.order_ids.clone(), needs.skip_locked);
        self.lookups.lock().unwrap().push(Lookup { order_ids, skip_locked });
        let error = (self.error_for.lock().unwrap())(needs);
        match error {
            Some(error) => Err(error),
            None => self.store.begin(needs).await,
        }
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.store.remove_published(published).await
    }
}
