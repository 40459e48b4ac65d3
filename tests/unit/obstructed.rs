//! A database in memory that answers as a test wants it to.

use std::sync::{Arc, Mutex};

use crate::support::in_memory::{InMemoryDatabase, InMemoryStore, InMemoryTransaction};
use order_worker::domain::OrderId;
use order_worker::service_layer::{BatchLookup, BatchState, OutboxKey, Store, StoreError};

type HandlerError = Box<dyn FnMut(&BatchLookup) -> Option<StoreError> + Send>;

/// A lane's session. What an obstacle makes of a question comes in the place of its answer.
#[derive(Clone)]
pub struct Obstructed {
    database: InMemoryDatabase,
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
        Self { database: database.clone(), obstacle, questions: Arc::default() }
    }

    /// By errors, one after the other.
    pub fn by_errors<const N: usize>(database: &InMemoryDatabase, errors: [StoreError; N]) -> Self {
        let mut errors = errors.into_iter();
        Self::by(database, move |_| errors.next())
    }

    pub fn questions(&self) -> Vec<Question> {
        self.questions.lock().unwrap().clone()
    }

    fn inner(&self) -> InMemoryStore {
        self.database.store()
    }
}

impl Store for Obstructed {
    type Transaction<'a> = InMemoryTransaction;

    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, InMemoryTransaction), StoreError> {
        let (order_ids, skip_locked) = (needs.order_ids.clone(), needs.skip_locked);
        self.questions.lock().unwrap().push(Question { order_ids, skip_locked });
        let error = (self.obstacle.lock().unwrap())(needs);
        match error {
            Some(error) => Err(error),
            None => self.inner().begin(needs).await,
        }
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.inner().remove_published(published).await
    }
}
