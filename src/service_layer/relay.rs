//! The relay: publishes messages that were left in the outbox.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::Instant;
use uuid::Uuid;

use super::event_publisher::is_kept;
use super::{Backoff, Health, InFlight, Publisher, StoreError, publish_window};
use crate::domain::OrderId;
use crate::messages::{
    DropReason, OutboxKey, OutboxMessage, OutboxMessageKind, OutboxRow, PublishStatus,
    RawOutboxKey, Target,
};

/// Maximum messages that the relay reads and publishes at once.
pub const RELAY_WINDOW: usize = 500;

/// The first delay before messages that were not confirmed are retried.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Added to the time at which messages were left to the relay. Without it, a slow response to the
/// query for the database's time would make them look too new, and they would wait for the next
/// interval. Shorter than the first delay, which is at least half of [`FIRST_RETRY`].
const LEFT_MARGIN: Duration = Duration::from_millis(100);

/// The outbox, as used by the relay.
#[async_trait]
pub trait RelayStore: Debug + Send {
    /// Tries to become the only relay of this database; returns false if there is another. The role
    /// MUST be held until this value is dropped or its connection breaks.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn try_become_relay(&mut self) -> Result<bool, StoreError>;

    /// The session that held the role when `try_become_relay` last returned false, if it is known.
    fn holder(&self) -> Option<RelayHolder> {
        None
    }

    /// The time by the clock that also provides the commit times of messages.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError>;

    /// The next rows that were committed by `committed_until`, after the key `after`, sorted by
    /// key. MUST include rows that cannot be decoded.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError>;

    /// Deletes published messages from the outbox. MUST NOT wait for rows that another transaction
    /// has locked: these stay, and the next pass publishes them again.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError>;
}

/// The session that holds the relay lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayHolder {
    /// Its process id in the database.
    pub session: i32,
    /// Its application name.
    pub application: String,
    /// The address of its client.
    pub client: String,
    /// The time since its last statement.
    pub idle: Duration,
}

/// The result of one pass over the outbox.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RelayPass {
    /// Messages deleted from the outbox.
    pub published: usize,
    /// Events that were not confirmed, or not published because an earlier one was not confirmed.
    pub left: usize,
}

/// Publishes messages that were left in the outbox by a crash, or because they were not confirmed.
/// The events of an order are published in the order of their versions, each after the confirm of
/// the one before.
///
/// Each retry of an event that one of several subscribers refuses is a duplicate for the others. So a
/// routing key with an unconfirmed event gets a single event in the next pass, and twice as many each
/// time all of them are confirmed; after a failure, none in the same pass.
#[derive(Debug)]
pub struct Relay {
    store: Box<dyn RelayStore>,
    publisher: Box<dyn Publisher>,
    health: Health,
    in_flight: InFlight,
    keep_unroutable: bool,
    created_at: Instant,
    /// Maximum events that are published together, by routing keys that had an unconfirmed event
    /// lately.
    allowances: HashMap<String, usize>,
    /// Rows that were logged.
    unreadable: HashSet<RawOutboxKey>,
}

/// Events that must not be published in this pass.
#[derive(Debug, Default)]
struct Held {
    /// Orders with an earlier event that is not published.
    orders: HashSet<OrderId>,
    routing_keys: HashSet<String>,
    /// Orders with an earlier row that cannot be decoded.
    unreadable: HashSet<String>,
}

impl Held {
    fn behind_unreadable(&self, event: &OutboxMessage) -> bool {
        self.unreadable.contains(event.key.order_id.as_str())
    }
}

impl Relay {
    pub fn new(
        store: Box<dyn RelayStore>,
        publisher: Box<dyn Publisher>,
        health: Health,
        in_flight: InFlight,
        keep_unroutable: bool,
    ) -> Self {
        let (created_at, allowances, unreadable) = (Instant::now(), HashMap::new(), HashSet::new());
        Self {
            store,
            publisher,
            health,
            in_flight,
            keep_unroutable,
            created_at,
            allowances,
            unreadable,
        }
    }

    /// Runs until dropped: first for all messages that existed when this value was created, then
    /// every `interval` for messages that are at least `interval` old, as other workers may be
    /// publishing newer ones. Messages that this worker left are retried after a second, then with
    /// increasing delays while none of them is confirmed.
    pub async fn run(mut self, interval: Duration) {
        let mut since = self.created_at;
        let mut backoff = Backoff::new(FIRST_RETRY, interval.max(FIRST_RETRY));
        loop {
            let pass = self.publish_waiting(since).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "Relay cannot read the outbox, retrying");
                RelayPass::default()
            });
            if pass.published > 0 {
                tracing::info!(
                    published = pass.published,
                    "Relay published messages from the outbox"
                );
                backoff.reset();
            }
            since = Instant::now();
            if pass.left > 0 {
                backoff.pause().await;
                continue;
            }
            backoff.reset();
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = self.in_flight.wait_for_left() => {
                    since = Instant::now() + LEFT_MARGIN;
                    backoff.pause().await;
                }
            }
        }
    }

    /// One pass over the messages that were committed before `since`.
    ///
    /// # Errors
    /// When the database is unavailable or the query fails.
    pub async fn publish_waiting(&mut self, since: Instant) -> Result<RelayPass, StoreError> {
        let mut pass = RelayPass::default();
        if !self.store.try_become_relay().await? {
            self.health.relay_held_by(self.store.holder());
            return Ok(pass);
        }
        self.health.relay_acquired();
        // In this order, so that the duration of the query does not make newer messages look old.
        let committed_until = self.store.now().await? - since.elapsed();
        let mut after = None;
        let mut held = Held::default();
        let mut unreadable = HashSet::new();
        loop {
            // Before the outbox is read: messages that the lanes complete meanwhile are still in
            // the snapshot.
            let in_flight = self.in_flight.snapshot();
            let waiting = self.store.waiting(committed_until, after.as_ref(), RELAY_WINDOW).await?;
            let Some(last) = waiting.last().map(OutboxRow::key) else {
                // Rows that were repaired or deleted are forgotten.
                self.unreadable = unreadable;
                return Ok(pass);
            };
            let (mut events, mut replies) = (Vec::new(), Vec::new());
            for row in waiting {
                match row {
                    OutboxRow::Message(reply) if !reply.kind.is_event() => replies.push(reply),
                    OutboxRow::Message(event) if held.behind_unreadable(&event) => {}
                    OutboxRow::Message(event) => events.push(event),
                    OutboxRow::Unreadable(key) => {
                        self.report_unreadable(&key);
                        held.unreadable.insert(key.order_id.clone());
                        unreadable.insert(key);
                    }
                }
            }
            self.publish_events(events, &in_flight, &mut held, &mut pass).await?;
            self.publish_replies(replies, &in_flight, &mut pass).await?;
            // Rows are sorted by order id: there are no more rows of the orders before the last one.
            held.orders.retain(|order_id| order_id.as_str() == last.order_id);
            held.unreadable.retain(|order_id| *order_id == last.order_id);
            after = Some(last);
        }
    }

    fn report_unreadable(&mut self, key: &RawOutboxKey) {
        if self.unreadable.insert(key.clone()) {
            tracing::error!(
                %key,
                "A row of the outbox cannot be decoded; it and the later events of its order are not \
                 published until it is repaired or deleted"
            );
        }
    }

    /// Publishes events in rounds with at most one event per order.
    async fn publish_events(
        &mut self,
        mut events: Vec<OutboxMessage>,
        in_flight: &HashSet<Uuid>,
        held: &mut Held,
        pass: &mut RelayPass,
    ) -> Result<(), StoreError> {
        while !events.is_empty() {
            let (round, later) = self.next_round(events, in_flight, held, pass);
            if !round.is_empty() {
                let done = self.publish_round(round, held, pass).await;
                self.remove(done, pass).await?;
            }
            events = later;
        }
        Ok(())
    }

    /// Divides the events, which are sorted by key, into those to publish now and those to publish
    /// in a later round. Events that cannot be published in this pass are in neither.
    fn next_round(
        &self,
        events: Vec<OutboxMessage>,
        in_flight: &HashSet<Uuid>,
        held: &mut Held,
        pass: &mut RelayPass,
    ) -> (Vec<OutboxMessage>, Vec<OutboxMessage>) {
        let (mut round, mut later): (Vec<OutboxMessage>, Vec<OutboxMessage>) =
            (Vec::new(), Vec::new());
        let mut taken: HashMap<String, usize> = HashMap::new();
        for event in events {
            let order_id = &event.key.order_id;
            if in_flight.contains(&event.key.event_id) {
                held.orders.insert(order_id.clone());
            } else if held.orders.contains(order_id) {
                // Not published, like the one before.
            } else if held.routing_keys.contains(&event.routing_key) {
                held.orders.insert(order_id.clone());
                pass.left += 1;
            } else if is_last_of(&round, order_id) || is_last_of(&later, order_id) {
                later.push(event);
            } else if let Some(allowance) = self.allowances.get(&event.routing_key) {
                let taken = taken.entry(event.routing_key.clone()).or_default();
                *taken += 1;
                if *taken > *allowance { later.push(event) } else { round.push(event) }
            } else {
                round.push(event);
            }
        }
        (round, later)
    }

    /// Publishes the events; returns the keys of those to delete from the outbox.
    async fn publish_round(
        &mut self,
        round: Vec<OutboxMessage>,
        held: &mut Held,
        pass: &mut RelayPass,
    ) -> Vec<OutboxKey> {
        let (entries, window): (Vec<_>, Vec<_>) =
            round.into_iter().map(OutboxMessage::into_publication).unzip();
        let statuses = publish_window(&mut *self.publisher, &self.health, &window).await;
        let (mut done, mut confirmed) = (Vec::with_capacity(entries.len()), HashSet::new());
        for ((entry, publication), status) in entries.into_iter().zip(window).zip(statuses) {
            self.health.record_event_status(&entry, &publication.target, status);
            let kept = is_kept(status, self.keep_unroutable);
            let Target::Events { routing_key } = publication.target else { continue };
            if kept && status != PublishStatus::Unroutable {
                pass.left += 1;
                held.orders.insert(entry.key.order_id.clone());
                held.routing_keys.insert(routing_key);
            } else if self.allowances.contains_key(&routing_key) {
                confirmed.insert(routing_key);
            }
            if !kept {
                done.push(entry.key);
            }
        }
        self.adjust_allowances(&confirmed, &held.routing_keys);
        done
    }

    fn adjust_allowances(&mut self, confirmed: &HashSet<String>, failed: &HashSet<String>) {
        for routing_key in confirmed.difference(failed) {
            if let Some(allowance) = self.allowances.get_mut(routing_key) {
                *allowance *= 2;
            }
        }
        self.allowances.retain(|_, allowance| *allowance < RELAY_WINDOW);
        self.allowances.extend(failed.iter().map(|routing_key| (routing_key.clone(), 1)));
    }

    /// Publishes each reply once. The lane may have tried before, and a reply may be lost.
    async fn publish_replies(
        &mut self,
        mut replies: Vec<OutboxMessage>,
        in_flight: &HashSet<Uuid>,
        pass: &mut RelayPass,
    ) -> Result<(), StoreError> {
        replies.retain(|reply| !in_flight.contains(&reply.key.event_id));
        if replies.is_empty() {
            return Ok(());
        }
        let (entries, window): (Vec<_>, Vec<_>) =
            replies.into_iter().map(OutboxMessage::into_publication).unzip();
        let statuses = publish_window(&mut *self.publisher, &self.health, &window).await;
        for (publication, status) in window.iter().zip(statuses) {
            self.health.metrics().publishing.record_status(OutboxMessageKind::Reply, status);
            if let Some(reason) = DropReason::of(status) {
                self.health.record_dropped_reply(&publication.target, reason);
            }
        }
        self.remove(entries.into_iter().map(|entry| entry.key).collect(), pass).await
    }

    async fn remove(
        &mut self,
        done: Vec<OutboxKey>,
        pass: &mut RelayPass,
    ) -> Result<(), StoreError> {
        self.store.remove(&done).await?;
        self.health.metrics().publishing.relayed(done.len());
        pass.published += done.len();
        Ok(())
    }
}

fn is_last_of(events: &[OutboxMessage], order_id: &OrderId) -> bool {
    events.last().is_some_and(|event| event.key.order_id == *order_id)
}
