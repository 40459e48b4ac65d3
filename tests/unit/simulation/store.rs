//! The in-memory database, with faults.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::in_memory::{InMemoryRelayStore, InMemoryStore};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use order_worker::domain::MessageId;
use order_worker::messages::{OutboxKey, OutboxMessage, OutboxRow, RawOutboxKey};
use order_worker::service_layer::{
    BatchLookup, BatchState, Changes, RelayStore, Store, StoreError, StoreTransaction,
};
use tokio::time::Instant;

use super::broker::Broker;
use super::chance::Chance;
use super::fault::Fault;
use super::ledger::Ledger;

const SLOW: Duration = Duration::from_secs(2);
const AWAY: Duration = Duration::from_secs(60);

/// A lane's session.
#[derive(Debug)]
pub struct SimulatedStore {
    pub inner: InMemoryStore,
    pub chance: Chance,
    pub ledger: Ledger,
    pub broker: Broker,
    /// `None` for the HTTP lane.
    pub consumer: Option<Consumer>,
    /// The messages of the present batch; its halves and retries have no others.
    pub batch: BTreeSet<MessageId>,
}

/// The consumer whose deliveries a lane handles.
#[derive(Debug, Clone)]
pub struct Consumer {
    pub number: u32,
    /// Whether it lost its channel and has not noticed.
    pub is_unaware: Arc<AtomicBool>,
}

#[derive(Debug)]
pub struct SimulatedTransaction<'a> {
    inner: Box<dyn StoreTransaction + 'a>,
    broker: Broker,
    consumer: Option<Consumer>,
    chance: Chance,
    ledger: Ledger,
}

impl SimulatedStore {
    /// A lane must not begin a message that the broker has requeued, as far as the worker knows, nor one
    /// that came by another partition than that of its order.
    fn check_freshness(&mut self, needs: &BatchLookup) {
        let Some(consumer) = &self.consumer else { return };
        let named: BTreeSet<MessageId> = needs.message_ids.iter().cloned().collect();
        if named.is_subset(&self.batch) {
            return;
        }
        if !consumer.is_unaware.load(Ordering::Relaxed) {
            for stale in named.iter().filter(|id| !consumer.holds(id, &self.broker, &self.ledger)) {
                self.ledger.violated(format!(
                    "a lane began {stale}, which is not in its hands from the partition of its order"
                ));
            }
        }
        self.batch = named;
    }
}

impl Consumer {
    /// Whether it has this message unacknowledged, from the partition of its order.
    fn holds(&self, message_id: &MessageId, broker: &Broker, ledger: &Ledger) -> bool {
        let order_id = ledger.order_of(message_id.as_str());
        let partition = broker.partition_of(order_id.as_deref());
        broker.has_unacked(self.number, message_id.as_str(), partition)
    }
}

#[async_trait]
impl Store for SimulatedStore {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        self.check_freshness(needs);
        self.chance.latency().await;
        if self.chance.fires(Fault::DatabaseUnreachable) {
            tokio::time::sleep(self.chance.wait(AWAY)).await;
            return Err(unavailable());
        }
        if self.chance.fires(Fault::BeginFailed) {
            return Err(unavailable());
        }
        if !needs.order_ids.is_empty() && self.chance.fires(Fault::OrderLocked) {
            let named = needs.order_ids.first().cloned().into_iter().collect();
            return Err(StoreError::Locked(named));
        }
        let (loaded, inner) = self.inner.begin(needs).await?;
        let (chance, ledger) = (self.chance.clone(), self.ledger.clone());
        let (broker, consumer) = (self.broker.clone(), self.consumer.clone());
        let transaction = SimulatedTransaction { inner, broker, consumer, chance, ledger };
        Ok((loaded, Box::new(transaction)))
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let removal = self.inner.remove_published(published);
        remove(&self.chance, &self.ledger, published, removal).await
    }
}

#[async_trait]
impl StoreTransaction for SimulatedTransaction<'_> {
    async fn commit(self: Box<Self>, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        let Self { inner, broker, consumer, chance, ledger } = *self;
        chance.latency().await;
        chance.delay_on(Fault::DatabaseSlow, SLOW).await;
        if chance.fires(Fault::Conflict) {
            return Err(StoreError::Conflict("serialization failure".to_owned()));
        }
        if chance.fires(Fault::CommitNotDone) {
            return Err(unavailable());
        }
        let earlier = inner.commit(changes).await.inspect_err(|error| {
            if let StoreError::Refused(_) = error {
                chance.happened(Fault::OrderRefused);
            }
        })?;
        ledger.removes(&changes.published);
        ledger.committed(changes);
        let is_requeued = |consumer: &Consumer| {
            let mut handled = changes.handled.iter().map(|handled| &handled.message_id);
            handled.any(|message_id| !consumer.holds(message_id, &broker, &ledger))
        };
        if consumer.as_ref().is_some_and(is_requeued) {
            chance.happened(Fault::CommittedAfterRequeue);
        }
        chance.log(&format!("commits {}", summary(&changes.outbox)));
        let earlier = sorted(&ledger, earlier);
        chance.latency().await;
        if chance.fires(Fault::CommitUnknown) {
            return Err(unavailable());
        }
        Ok(earlier.into_iter().map(OutboxRow::Message).collect())
    }

    async fn rollback(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.rollback().await
    }
}

/// The relay's session. The database's clock is that of the schedule.
#[derive(Debug)]
pub struct SimulatedRelayStore {
    pub inner: InMemoryRelayStore,
    pub chance: Chance,
    pub ledger: Ledger,
    pub started: Instant,
    /// Maximum rows per page; with few, the relay has to read several pages.
    pub page: usize,
}

#[async_trait]
impl RelayStore for SimulatedRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        self.chance.latency().await;
        if self.chance.fires(Fault::RelayReadFailed) {
            return Err(unavailable());
        }
        self.inner.try_become_relay().await
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        Ok(self.timestamp(Instant::now()))
    }

    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.chance.latency().await;
        if self.chance.fires(Fault::RelayReadFailed) {
            return Err(unavailable());
        }
        let waiting = self.inner.waiting(DateTime::<Utc>::MAX_UTC, None, usize::MAX).await?;
        let mut waiting = sorted(&self.ledger, waiting);
        let after = after.map(|key| self.ledger.sort_key(&key.parse().unwrap()));
        waiting.retain(|OutboxMessage { key, .. }| {
            // The clock has a resolution of 1 ms: what is equal counts as younger.
            self.timestamp(self.ledger.commit_of(key.event_id).at) < committed_until
                && after.as_ref().is_none_or(|after| self.ledger.sort_key(key) > *after)
        });
        waiting.truncate(limit.min(self.page));
        Ok(waiting.into_iter().map(OutboxRow::Message).collect())
    }

    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let removal = self.inner.remove(published);
        remove(&self.chance, &self.ledger, published, removal).await
    }
}

impl SimulatedRelayStore {
    fn timestamp(&self, at: Instant) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::from_std(at - self.started).unwrap()
    }
}

async fn remove(
    chance: &Chance,
    ledger: &Ledger,
    published: &[OutboxKey],
    removal: impl Future<Output = Result<(), StoreError>>,
) -> Result<(), StoreError> {
    chance.latency().await;
    if chance.fires(Fault::RemovalNotDone) {
        return Err(unavailable());
    }
    ledger.removes(published);
    removal.await?;
    chance.latency().await;
    if chance.fires(Fault::RemovalUnknown) {
        return Err(unavailable());
    }
    Ok(())
}

/// Rows in the ledger's order; all are readable here.
fn sorted(ledger: &Ledger, rows: Vec<OutboxRow>) -> Vec<OutboxMessage> {
    let mut messages: Vec<_> = rows.into_iter().filter_map(OutboxRow::into_message).collect();
    ledger.sort(&mut messages);
    messages
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("simulated".to_owned())
}

fn summary(outgoing: &[OutboxMessage]) -> String {
    let names = outgoing.iter().map(|message| {
        let (kind, key) = (message.kind, &message.key);
        format!("{kind:?} {} v{}", key.order_id, key.version)
    });
    names.collect::<Vec<_>>().join(", ")
}
