//! When the bus assumes that a whole batch is new, and skips the lookup.

use std::sync::{Arc, Mutex};

use crate::support::in_memory::{InMemoryDatabase, InMemoryStore};
use async_trait::async_trait;
use order_worker::messages::{Message, OutboxKey};
use order_worker::service_layer::{
    BatchLookup, BatchState, Health, InFlight, MessageBus, Store, StoreError, StoreTransaction,
};

use crate::support::clock::TickingClock;
use crate::support::messages::{next_status, place, place_without_id};

/// Records `assume_new` of each transaction.
#[derive(Debug)]
struct Recorder {
    inner: InMemoryStore,
    assumptions: Arc<Mutex<Vec<bool>>>,
}

#[async_trait]
impl Store for Recorder {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        self.assumptions.lock().unwrap().push(needs.assume_new);
        self.inner.begin(needs).await
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.inner.remove_published(published).await
    }
}

#[tokio::test]
async fn a_batch_that_only_places_orders_is_assumed_new() {
    let batches = [
        vec![place("14"), place_without_id()],
        vec![place("15"), next_status("14")],
        vec![next_status("15")],
    ];

    assert_eq!(assumptions(&batches).await, [true, false, false]);
}

#[tokio::test]
async fn after_a_duplicate_64_batches_are_looked_up() {
    let mut batches = vec![vec![place("0")], vec![place("0"), place("1")]];
    batches.extend((2..70).map(|number| vec![place(&number.to_string())]));

    let assumptions = assumptions(&batches).await;

    assert_eq!(assumptions[..3], [true, true, false], "retried with a lookup");
    // The batch of the duplicate is the first of the 64.
    assert_eq!(assumptions[2..].iter().take_while(|assumed| !**assumed).count(), 64);
    assert!(assumptions[66..].iter().all(|assumed| *assumed));
}

async fn assumptions(batches: &[Vec<Message>]) -> Vec<bool> {
    let assumptions = Arc::<Mutex<Vec<bool>>>::default();
    let inner = InMemoryDatabase::new().store();
    let store = Recorder { inner, assumptions: assumptions.clone() };
    let clock = Arc::new(TickingClock::default());
    let mut bus = MessageBus::new(Box::new(store), clock, Health::default(), InFlight::default());
    for batch in batches {
        bus.handle_batch(batch).await;
    }
    let assumptions = assumptions.lock().unwrap();
    assumptions.clone()
}
