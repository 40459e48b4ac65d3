//! When each event was committed, and when it was confirmed, as the worker itself sees it: a commit
//! cannot be timed from outside, since every moment in the tables is taken before it.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use order_worker::adapters::clock::SystemClock;
use order_worker::service_layer::{
    BatchLookup, BatchState, Changes, Clock, OutboxKey, OutboxRow, Publication, PublishError,
    PublishStatus, Publisher, Store, StoreError, StoreTransaction,
};

/// Moments in microseconds since 1970; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Times(Arc<Mutex<Moments>>);

#[derive(Debug, Default)]
struct Moments {
    committed: Vec<(OutboxKey, i64)>,
    /// By the event's id.
    confirmed: HashMap<String, i64>,
}

impl Times {
    pub fn store<S: Store>(&self, store: S) -> TimedStore<S> {
        TimedStore { store, times: self.clone() }
    }

    pub fn publisher<P: Publisher>(&self, publisher: P) -> TimedPublisher<P> {
        TimedPublisher { publisher, times: self.clone() }
    }

    /// A line for each event: the order, when it was committed, when it was confirmed.
    pub fn print(&self) {
        let mut lines = String::new();
        self.note(|moments| {
            for (key, committed) in &moments.committed {
                if let Some(confirmed) = moments.confirmed.get(&key.event_id.to_string()) {
                    let _ = writeln!(lines, "{} {committed} {confirmed}", key.order_id);
                }
            }
        });
        print!("{lines}");
    }

    fn note(&self, note: impl FnOnce(&mut Moments)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn now() -> i64 {
    SystemClock.now().timestamp_micros()
}

#[derive(Debug)]
pub struct TimedStore<S> {
    store: S,
    times: Times,
}

#[derive(Debug)]
pub struct Transaction<T> {
    transaction: T,
    times: Times,
}

impl<S: Store> Store for TimedStore<S> {
    type Transaction<'a>
        = Transaction<S::Transaction<'a>>
    where
        S: 'a;

    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Self::Transaction<'_>), StoreError> {
        let (loaded, transaction) = self.store.begin(needs).await?;
        Ok((loaded, Transaction { transaction, times: self.times.clone() }))
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        self.store.remove_published(published).await
    }
}

impl<T: StoreTransaction> StoreTransaction for Transaction<T> {
    async fn commit(self, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        let earlier = self.transaction.commit(changes).await?;
        let committed = now();
        let keys = changes.outgoing.iter().map(|outgoing| (outgoing.key.clone(), committed));
        self.times.note(|moments| moments.committed.extend(keys));
        Ok(earlier)
    }

    async fn rollback(self) -> Result<(), StoreError> {
        self.transaction.rollback().await
    }
}

#[derive(Debug)]
pub struct TimedPublisher<P> {
    publisher: P,
    times: Times,
}

impl<P: Publisher> Publisher for TimedPublisher<P> {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        let confirmations = self.publisher.publish(window).await?;
        let confirmed = now();
        let event_ids = window.iter().filter_map(|event| event.properties.message_id.clone());
        let events = event_ids.map(|event_id| (event_id, confirmed));
        self.times.note(|moments| moments.confirmed.extend(events));
        Ok(confirmations)
    }
}
