//! Publishes what is left in the outbox.

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

/// Most messages that the relay takes at a time.
pub const RELAY_WINDOW: usize = 500;

/// The first pause before something that was not taken is tried again.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The outbox as the relay sees it.
#[async_trait]
pub trait RelayStore: Debug + Send {
    /// Becomes the one relay of this database, or says that there is another. It MUST stay so until
    /// this value is dropped or its connection breaks.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn try_become_relay(&mut self) -> Result<bool, StoreError>;

    /// Who was the relay when this one tried to become it in vain, as far as the database tells.
    fn holder(&self) -> Option<RelayHolder> {
        None
    }

    /// The moment by the clock that also says when a message was committed.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError>;

    /// The next rows of the outbox that were committed up to a moment, after the key `after`, sorted
    /// by their keys. What cannot be read MUST be among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError>;

    /// Takes published messages out of the outbox. What somebody else has locked MUST NOT be waited
    /// for: it stays, and is published again by the next pass.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError>;
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

/// What one pass over the outbox came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RelayPass {
    /// Messages that left the outbox.
    pub published: usize,
    /// Events that were not taken, or not tried because one before them was not taken.
    pub left: usize,
}

/// Publishes messages that were left in the outbox: by a crash, or because their target did not take
/// them. Per order in the order of versions, each event after the confirm of the one before.
///
/// An event that one of several subscribers refuses is a copy for all others. So a routing key of
/// which an event was not taken gets a single event in the next pass, and twice as many each time all
/// are taken; after a refusal no more in that pass.
#[derive(Debug)]
pub struct Relay {
    store: Box<dyn RelayStore>,
    publisher: Box<dyn Publisher>,
    health: Health,
    in_flight: InFlight,
    keep_unroutable: bool,
    made_at: Instant,
    /// Events that are published together, by routing keys of which one was not taken lately.
    allowances: HashMap<String, usize>,
    /// Rows that the log has named.
    unreadable: HashSet<RawOutboxKey>,
}

/// What is not to be published in this pass.
#[derive(Debug, Default)]
struct Held {
    /// Orders of which an earlier event is not published.
    orders: HashSet<OrderId>,
    routing_keys: HashSet<String>,
    /// Orders of which an earlier row cannot be read.
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
        let (made_at, allowances, unreadable) = (Instant::now(), HashMap::new(), HashSet::new());
        Self {
            store,
            publisher,
            health,
            in_flight,
            keep_unroutable,
            made_at,
            allowances,
            unreadable,
        }
    }

    /// Runs until dropped: first for everything that was there when this value was made, then every
    /// `interval` for what has been there for `interval` at least: what is younger, other workers may
    /// be publishing. What this worker left is tried sooner: after a second, then with a growing
    /// pause as long as nothing of it is taken.
    pub async fn run(mut self, interval: Duration) {
        let mut since = self.made_at;
        let mut backoff = Backoff::new(FIRST_RETRY, interval.max(FIRST_RETRY));
        loop {
            let pass = self.publish_waiting(since).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "Relay could not read the outbox, trying again later");
                RelayPass::default()
            });
            if pass.published > 0 {
                tracing::info!(
                    published = pass.published,
                    "Relay published what the outbox still held"
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
                () = self.in_flight.left_over() => {
                    since = Instant::now();
                    backoff.pause().await;
                }
            }
        }
    }

    /// One pass over what has been waiting since a moment.
    ///
    /// # Errors
    /// When the database is in trouble.
    pub async fn publish_waiting(&mut self, since: Instant) -> Result<RelayPass, StoreError> {
        let mut pass = RelayPass::default();
        if !self.store.try_become_relay().await? {
            self.health.relay_held_by(self.store.holder());
            return Ok(pass);
        }
        self.health.relay_acquired();
        // In this order: the time that the answer took must not make younger messages look old.
        let committed_until = self.store.now().await? - since.elapsed();
        let mut after = None;
        let mut held = Held::default();
        let mut unreadable = HashSet::new();
        loop {
            // Before the look at the outbox: what the lanes get rid of meanwhile is still in it.
            let in_flight = self.in_flight.snapshot();
            let waiting = self.store.waiting(committed_until, after.as_ref(), RELAY_WINDOW).await?;
            let Some(last) = waiting.last().map(OutboxRow::key) else {
                // Those that are gone are named again if they come back.
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
            // The rows are sorted by order: of those before the last one no more will come.
            held.orders.retain(|order_id| order_id.as_str() == last.order_id);
            held.unreadable.retain(|order_id| *order_id == last.order_id);
            after = Some(last);
        }
    }

    fn report_unreadable(&mut self, key: &RawOutboxKey) {
        if self.unreadable.insert(key.clone()) {
            tracing::error!(
                %key,
                "A row of the outbox cannot be read: it stays, and the later events of its order with \
                 it, until somebody repairs or deletes it"
            );
        }
    }

    /// Publishes events in rounds, of each order one at a time.
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

    /// Takes from the events, which are sorted by their keys, those that may be published now. What has
    /// to wait for one of them comes back beside them; what has to wait longer is left.
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
                // Left with the one before.
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

    /// Publishes the events; returns the keys of those that leave the outbox.
    async fn publish_round(
        &mut self,
        round: Vec<OutboxMessage>,
        held: &mut Held,
        pass: &mut RelayPass,
    ) -> Vec<OutboxKey> {
        let (entries, window): (Vec<_>, Vec<_>) =
            round.into_iter().map(OutboxMessage::into_publication).unzip();
        let statuses = publish_window(&mut *self.publisher, &self.health, &window).await;
        let (mut done, mut taken) = (Vec::with_capacity(entries.len()), HashSet::new());
        for ((entry, publication), status) in entries.into_iter().zip(window).zip(statuses) {
            self.health.record_event_status(&entry, &publication.target, status);
            let kept = is_kept(status, self.keep_unroutable);
            let Target::Events { routing_key } = publication.target else { continue };
            if kept && status != PublishStatus::Unroutable {
                pass.left += 1;
                held.orders.insert(entry.key.order_id.clone());
                held.routing_keys.insert(routing_key);
            } else if self.allowances.contains_key(&routing_key) {
                taken.insert(routing_key);
            }
            if !kept {
                done.push(entry.key);
            }
        }
        self.adjust_allowances(&taken, &held.routing_keys);
        done
    }

    fn adjust_allowances(&mut self, taken: &HashSet<String>, refused: &HashSet<String>) {
        for routing_key in taken.difference(refused) {
            if let Some(allowance) = self.allowances.get_mut(routing_key) {
                *allowance *= 2;
            }
        }
        self.allowances.retain(|_, allowance| *allowance < RELAY_WINDOW);
        self.allowances.extend(refused.iter().map(|routing_key| (routing_key.clone(), 1)));
    }

    /// Tries each reply once: whoever left it may have tried it before, and a reply may be lost.
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
