//! The contract, in memory.

use crate::support::in_memory::{
    InMemoryDatabase, InMemoryQueries, InMemoryRelayStore, InMemoryStore,
};

use crate::store_contract::{TestDatabase, store_contract};
use crate::support::messages::id;

struct InMemory(InMemoryDatabase);

impl TestDatabase for InMemory {
    type Store = InMemoryStore;
    type Queries = InMemoryQueries;
    type Relay = InMemoryRelayStore;
    type Backlog = InMemoryDatabase;

    async fn start() -> Self {
        Self(InMemoryDatabase::new())
    }

    fn store(&self) -> InMemoryStore {
        self.0.store()
    }

    fn queries(&self) -> InMemoryQueries {
        self.0.queries()
    }

    fn relay(&self) -> InMemoryRelayStore {
        self.0.relay()
    }

    fn backlog_probe(&self) -> InMemoryDatabase {
        self.0.clone()
    }

    async fn poison(&self, order_id: &str) {
        self.0.refuse_order(id(order_id)).await;
    }

    async fn garble_outbox(&self, order_id: &str) {
        self.0.garble_outbox(&id(order_id)).await;
    }

    async fn finish(self) {}
}

store_contract!(InMemory);
