//! Publishes what a crash left in the outbox.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Health, InFlight, OutboxKey, Outgoing, Publisher, StoreError, Verdict, publish_all};
use crate::domain::OrderId;

/// Most messages that the relay takes at a time.
pub const RELAY_WINDOW: usize = 500;

/// The outbox as the relay sees it.
pub trait RelayStore: Send {
    /// Becomes the one relay of this database, or says that there is another. It MUST stay so until
    /// this value is dropped or its connection breaks.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn try_become_relay(&mut self) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Who was the relay when this one tried to become it in vain, as far as the database tells.
    fn holder(&self) -> Option<RelayHolder> {
        None
    }

    /// The moment by the clock that also says when a message was committed.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn now(&mut self) -> impl Future<Output = Result<DateTime<Utc>, StoreError>> + Send;

    /// The next messages in the outbox that were committed up to a moment, after the key `after`,
    /// sorted by their keys.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&OutboxKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Outgoing>, StoreError>> + Send;

    /// Takes published messages out of the outbox.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn remove(
        &mut self,
        published: &[OutboxKey],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The session that has the relay's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayHolder {
    /// The process id that the database gave it.
    pub session: i32,
    /// The name that its program gave it.
    pub application: String,
    /// The address of its machine.
    pub client: String,
    /// Since its last sign of life.
    pub idle: Duration,
}

/// Publishes left-over messages at start and on a slow timer, in the order of versions per order.
#[derive(Debug)]
pub struct Relay<S, P> {
    store: S,
    publisher: P,
    health: Health,
    in_flight: InFlight,
    keep_unroutable: bool,
    made_at: Instant,
}

impl<S: RelayStore, P: Publisher> Relay<S, P> {
    #[must_use]
    pub fn new(
        store: S,
        publisher: P,
        health: Health,
        in_flight: InFlight,
        keep_unroutable: bool,
    ) -> Self {
        Self { store, publisher, health, in_flight, keep_unroutable, made_at: Instant::now() }
    }

    /// Runs until dropped: first for everything that was there when this value was made, then every
    /// `interval` for what has been there for `interval` at least: what is younger, other workers may
    /// be publishing.
    pub async fn run(mut self, interval: Duration) {
        let mut since = self.made_at;
        loop {
            match self.publish_waiting(since).await {
                Ok(0) => {}
                Ok(published) => {
                    tracing::info!(published, "Relay published what the outbox still held");
                }
                Err(error) => {
                    tracing::warn!(%error, "Relay could not read the outbox, trying again later");
                }
            }
            let passed = Instant::now();
            tokio::time::sleep(interval).await;
            since = passed;
        }
    }

    /// One pass over what has been waiting since a moment; answers how many messages left the outbox.
    ///
    /// # Errors
    /// When the database is in trouble.
    pub async fn publish_waiting(&mut self, since: Instant) -> Result<usize, StoreError> {
        if !self.store.try_become_relay().await? {
            self.health.another_relays(self.store.holder());
            return Ok(0);
        }
        self.health.relays();
        // In this order: the time that the answer took must not make younger messages look old.
        let committed_until = self.store.now().await? - since.elapsed();
        let mut published = 0;
        let mut after = None;
        let mut held = None;
        loop {
            // Before the look at the outbox: what the lanes get rid of meanwhile is still in it.
            let in_flight = self.in_flight.snapshot();
            let mut waiting =
                self.store.waiting(committed_until, after.as_ref(), RELAY_WINDOW).await?;
            let Some(last) = waiting.last() else { return Ok(published) };
            after = Some(last.key.clone());
            waiting.retain(|message| is_free(&message.key, &in_flight, &mut held));
            let done = self.publish(waiting).await;
            self.store.remove(&done).await?;
            self.health.metrics().publishing.relayed(done.len());
            published += done.len();
        }
    }

    async fn publish(&mut self, waiting: Vec<Outgoing>) -> Vec<OutboxKey> {
        let (entries, window): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(Outgoing::into_publication).unzip();
        let verdicts = publish_all(&mut self.publisher, &self.health, window).await;
        for (entry, verdict) in entries.iter().zip(&verdicts) {
            self.health.metrics().publishing.judged(entry.kind, *verdict);
        }
        let done = entries.into_iter().zip(verdicts).filter(|(entry, verdict)| match verdict {
            Verdict::Confirmed => true,
            Verdict::Unroutable => !(self.keep_unroutable && entry.kind.is_event()),
        });
        done.map(|(entry, _)| entry.key).collect()
    }
}

/// Whether no lane is publishing the message, or an earlier one of its order: this one must not
/// overtake it. Asked about messages in the order of their keys; `held` is the order that was left
/// alone last.
fn is_free(key: &OutboxKey, in_flight: &HashSet<Uuid>, held: &mut Option<OrderId>) -> bool {
    if in_flight.contains(&key.event_id) {
        *held = Some(key.order_id.clone());
    }
    held.as_ref() != Some(&key.order_id)
}
