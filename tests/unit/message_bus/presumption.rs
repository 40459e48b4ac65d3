//! When the bus takes all of a batch for new.

use std::sync::{Arc, Mutex};

use crate::support::in_memory::{InMemoryDatabase, InMemoryStore};
use async_trait::async_trait;
use order_worker::service_layer::{
    BatchLookup, BatchState, Health, InFlight, Message, MessageBus, OutboxKey, Store, StoreError,
    StoreTransaction,
};

use crate::support::clock::TickingClock;
use crate::support::messages::{next_status, place, place_without_id};

/// Remembers for each transaction whether all was presumed new.
#[derive(Debug)]
struct Recorder {
    inner: InMemoryStore,
    presumptions: Arc<Mutex<Vec<bool>>>,
}

#[async_trait]
impl Store for Recorder {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        self.presumptions.lock().unwrap().push(needs.assume_new);
        self.inner.begin(needs).await
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.inner.remove_published(published).await
    }
}

#[tokio::test]
async fn a_batch_that_only_places_orders_is_presumed_new() {
    let batches = [
        vec![place("14"), place_without_id()],
        vec![place("15"), next_status("14")],
        vec![next_status("15")],
    ];

    assert_eq!(presumptions(&batches).await, [true, false, false]);
}

#[tokio::test]
async fn after_a_repeat_64_batches_are_looked_up() {
    let mut batches = vec![vec![place("0")], vec![place("0"), place("1")]];
    batches.extend((2..70).map(|number| vec![place(&number.to_string())]));

    let presumptions = presumptions(&batches).await;

    assert_eq!(presumptions[..3], [true, true, false], "tried again with a look");
    // The batch of the repeat is the first of the 64.
    assert_eq!(presumptions[2..].iter().take_while(|presumed| !**presumed).count(), 64);
    assert!(presumptions[66..].iter().all(|presumed| *presumed));
}

async fn presumptions(batches: &[Vec<Message>]) -> Vec<bool> {
    let presumptions = Arc::<Mutex<Vec<bool>>>::default();
    let inner = InMemoryDatabase::new().store();
    let store = Recorder { inner, presumptions: presumptions.clone() };
    let clock = Arc::new(TickingClock::default());
    let mut bus = MessageBus::new(Box::new(store), clock, Health::default(), InFlight::default());
    for batch in batches {
        bus.handle_batch(batch).await;
    }
    let presumptions = presumptions.lock().unwrap();
    presumptions.clone()
}
