//! A database in memory that answers as a test wants it to.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::support::in_memory::{InMemoryDatabase, InMemoryStore};
use async_trait::async_trait;
use order_worker::domain::OrderId;
use order_worker::service_layer::{
    BatchLookup, BatchState, OutboxKey, Store, StoreError, StoreTransaction,
};

type HandlerError = Box<dyn FnMut(&BatchLookup) -> Option<StoreError> + Send>;

/// A lane's session. What an obstacle makes of a question comes in the place of its answer.
#[derive(Clone)]
pub struct Obstructed {
    store: InMemoryStore,
    obstacle: Arc<Mutex<HandlerError>>,
    questions: Arc<Mutex<Vec<Question>>>,
}

/// What a lane asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub order_ids: Vec<OrderId>,
    pub skip_locked: bool,
}

impl Obstructed {
    pub fn by(
        database: &InMemoryDatabase,
        obstacle: impl FnMut(&BatchLookup) -> Option<StoreError> + Send + 'static,
    ) -> Self {
        let obstacle: HandlerError = Box::new(obstacle);
        let obstacle = Arc::new(Mutex::new(obstacle));
        Self { store: database.store(), obstacle, questions: Arc::default() }
    }

    /// By errors, one after the other.
    pub fn by_errors<const N: usize>(database: &InMemoryDatabase, errors: [StoreError; N]) -> Self {
        let mut errors = errors.into_iter();
        Self::by(database, move |_| errors.next())
    }

    pub fn questions(&self) -> Vec<Question> {
        self.questions.lock().unwrap().clone()
    }
}

impl fmt::Debug for Obstructed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Obstructed").field("store", &self.store).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Obstructed {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        let (order_ids, skip_locked) = (needs.order_ids.clone(), needs.skip_locked);
        self.questions.lock().unwrap().push(Question { order_ids, skip_locked });
        let error = (self.obstacle.lock().unwrap())(needs);
        match error {
            Some(error) => Err(error),
            None => self.store.begin(needs).await,
        }
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.store.remove_published(published).await
    }
}
