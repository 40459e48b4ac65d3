//! Times each event's commit and confirm inside the worker: a commit cannot be timed from outside, since
//! every timestamp in the tables is taken before it.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use order_worker::adapters::clock::SystemClock;
use order_worker::messages::{OutboxKey, OutboxRow, Publication, PublishStatus};
use order_worker::service_layer::{
    BatchLookup, BatchState, Changes, Clock, PublishError, Publisher, Store, StoreError,
    StoreTransaction,
};

/// Timestamps in microseconds since 1970; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Times(Arc<Mutex<Timestamps>>);

#[derive(Debug, Default)]
struct Timestamps {
    committed: Vec<(OutboxKey, i64)>,
    /// By the event's id.
    confirmed: HashMap<String, i64>,
}

impl Times {
    pub fn store(&self, store: Box<dyn Store>) -> TimedStore {
        TimedStore { store, times: self.clone() }
    }

    pub fn publisher(&self, publisher: Box<dyn Publisher>) -> TimedPublisher {
        TimedPublisher { publisher, times: self.clone() }
    }

    /// Prints a line for each event: order, time of commit, time of confirm.
    pub fn print(&self) {
        let mut lines = String::new();
        self.record(|timestamps| {
            for (key, committed) in &timestamps.committed {
                if let Some(confirmed) = timestamps.confirmed.get(&key.event_id.to_string()) {
                    let _ = writeln!(lines, "{} {committed} {confirmed}", key.order_id);
                }
            }
        });
        print!("{lines}");
    }

    fn record(&self, record: impl FnOnce(&mut Timestamps)) {
        record(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn now() -> i64 {
    SystemClock.now().timestamp_micros()
}

#[derive(Debug)]
pub struct TimedStore {
    store: Box<dyn Store>,
    times: Times,
}

#[derive(Debug)]
pub struct Transaction<'a> {
    transaction: Box<dyn StoreTransaction + 'a>,
    times: Times,
}

#[async_trait]
impl Store for TimedStore {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        let (loaded, transaction) = self.store.begin(needs).await?;
        Ok((loaded, Box::new(Transaction { transaction, times: self.times.clone() })))
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.store.remove_published(published).await
    }
}

#[async_trait]
impl StoreTransaction for Transaction<'_> {
    async fn commit(self: Box<Self>, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        let earlier = self.transaction.commit(changes).await?;
        let committed = now();
        let keys = changes.outbox.iter().map(|outgoing| (outgoing.key.clone(), committed));
        self.times.record(|timestamps| timestamps.committed.extend(keys));
        Ok(earlier)
    }

    async fn rollback(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.rollback().await
    }
}

#[derive(Debug)]
pub struct TimedPublisher {
    publisher: Box<dyn Publisher>,
    times: Times,
}

#[async_trait]
impl Publisher for TimedPublisher {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        let confirmations = self.publisher.publish(window).await?;
        let confirmed = now();
        let event_ids = window.iter().filter_map(|event| event.properties.message_id.clone());
        let events = event_ids.map(|event_id| (event_id, confirmed));
        self.times.record(|timestamps| timestamps.confirmed.extend(events));
        Ok(confirmations)
    }
}
