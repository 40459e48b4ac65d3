//! The unit of work: the orders of a batch and its changes, committed atomically.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{
    BatchLookup, BatchState, Changes, HistoryRow, InboxEntry, MAX_EARLIER_ROWS, Store, StoreError,
    StoreTransaction,
};
use crate::domain::{MessageId, Order, OrderId};
use crate::messages::{OutboxKey, OutboxMessage, OutboxRow, RawOutboxKey};

/// The orders of a batch, as an in-memory collection.
#[derive(Debug, Default)]
pub struct Orders {
    entries: HashMap<OrderId, Entry>,
    numbers: VecDeque<OrderId>,
}

#[derive(Debug)]
struct Entry {
    order: Order,
    /// `None` for an order that this batch places.
    loaded_version: Option<i32>,
}

impl Orders {
    pub fn get(&self, order_id: &OrderId) -> Option<&Order> {
        self.entries.get(order_id).map(|entry| &entry.order)
    }

    pub fn get_mut(&mut self, order_id: &OrderId) -> Option<&mut Order> {
        self.entries.get_mut(order_id).map(|entry| &mut entry.order)
    }

    /// Adds an order that this batch places.
    pub fn add(&mut self, order: Order) {
        self.entries.insert(order.order_id().clone(), Entry { order, loaded_version: None });
    }

    /// The next unused order number; `None` after as many as the batch has new orders.
    pub fn next_number(&mut self) -> Option<OrderId> {
        self.numbers.pop_front()
    }

    fn into_changed(self) -> (Vec<Order>, Vec<(Order, i32)>) {
        let mut placed = Vec::new();
        let mut updated = Vec::new();
        for Entry { order, loaded_version } in self.entries.into_values() {
            match loaded_version {
                None => placed.push(order),
                Some(version) if version != order.version() => updated.push((order, version)),
                Some(_) => {}
            }
        }
        // Sorted, so that two batches which place the same orders do not deadlock.
        placed.sort_unstable_by(|one, other| one.order_id().cmp(other.order_id()));
        (placed, updated)
    }
}

impl From<(Vec<Order>, Vec<OrderId>)> for Orders {
    fn from((orders, numbers): (Vec<Order>, Vec<OrderId>)) -> Self {
        let entry = |order: Order| {
            (order.order_id().clone(), Entry { loaded_version: Some(order.version()), order })
        };
        Self { entries: orders.into_iter().map(entry).collect(), numbers: numbers.into() }
    }
}

/// One transaction over a batch. Dropping it rolls back.
#[derive(Debug)]
pub struct UnitOfWork<'a> {
    transaction: Box<dyn StoreTransaction + 'a>,
    pub orders: Orders,
    /// Messages processed before or in this batch.
    pub inbox: HashMap<MessageId, InboxEntry>,
    pub history: Vec<HistoryRow>,
    /// Inbox entries to insert.
    pub handled: Vec<InboxEntry>,
    pub outbox: Vec<OutboxMessage>,
}

/// Messages to publish after a commit: first `earlier`, then `new`.
#[derive(Debug)]
pub struct Committed {
    /// Messages that the outbox already held for the same orders. They may have been published.
    pub earlier: Vec<OutboxMessage>,
    pub new: Vec<OutboxMessage>,
    /// New events that the lane must leave to the relay, as `earlier` lacks some that precede them.
    pub for_relay: Vec<OutboxMessage>,
}

impl Committed {
    fn new(rows: Vec<OutboxRow>, Changes { placed, outbox, .. }: Changes) -> Self {
        // If the limit was reached, rows may be missing for the last order and all after it.
        let incomplete_from =
            if rows.len() < MAX_EARLIER_ROWS { None } else { rows.last().map(OutboxRow::key) };
        let mut unreadable = HashSet::new();
        let mut earlier = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                OutboxRow::Message(message)
                    if unreadable.contains(message.key.order_id.as_str()) => {}
                OutboxRow::Message(message) => earlier.push(message),
                OutboxRow::Unreadable(key) => drop(unreadable.insert(key.order_id)),
            }
        }
        let is_placed = |order_id: &OrderId| {
            placed.binary_search_by(|order| order.order_id().cmp(order_id)).is_ok()
        };
        let must_wait = |OutboxMessage { key: OutboxKey { order_id, .. }, kind, .. }: &_| {
            let is_behind = |last: &RawOutboxKey| order_id.as_str() >= last.order_id.as_str();
            kind.is_event()
                && !is_placed(order_id)
                && (unreadable.contains(order_id.as_str())
                    || incomplete_from.as_ref().is_some_and(is_behind))
        };
        let (for_relay, new) = outbox.into_iter().partition(must_wait);
        Self { earlier, new, for_relay }
    }
}

impl<'a> UnitOfWork<'a> {
    /// Begins a transaction and loads what the batch looks up.
    ///
    /// # Errors
    /// See [`Store::begin`].
    pub async fn begin(store: &'a mut dyn Store, lookup: &BatchLookup) -> Result<Self, StoreError> {
        let (BatchState { handled, orders, numbers }, transaction) = store.begin(lookup).await?;
        Ok(Self {
            transaction,
            orders: (orders, numbers).into(),
            inbox: handled,
            history: Vec::new(),
            handled: Vec::new(),
            outbox: Vec::new(),
        })
    }

    /// Writes all changes, deletes `published` from the outbox, and commits.
    ///
    /// # Errors
    /// See [`StoreTransaction::commit`].
    pub async fn commit(self, published: Vec<OutboxKey>) -> Result<Committed, StoreError> {
        let (placed, updated) = self.orders.into_changed();
        let changes = Changes {
            placed,
            updated,
            history: self.history,
            handled: self.handled,
            outbox: self.outbox,
            published,
        };
        let earlier = self.transaction.commit(&changes).await?;
        Ok(Committed::new(earlier, changes))
    }

    /// Discards all changes; the session stays usable.
    ///
    /// # Errors
    /// See [`StoreTransaction::rollback`].
    pub async fn rollback(self) -> Result<(), StoreError> {
        self.transaction.rollback().await
    }
}
