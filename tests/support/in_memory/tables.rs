//! The tables, as collections.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use chrono::{DateTime, Utc};

use order_worker::adapters::clock::SystemClock;
use order_worker::domain::{MessageId, Order, OrderId};
use order_worker::messages::{OutboxBacklog, OutboxKey, OutboxMessage, OutboxRow, RawOutboxKey};
use order_worker::service_layer::{
    BatchLookup, BatchState, Changes, Clock, FIRST_NUMBER, HistoryRow, InboxEntry,
    MAX_EARLIER_ROWS, StoreError,
};

#[derive(Debug, Default)]
pub(super) struct Tables {
    orders: HashMap<OrderId, Order>,
    history: HashMap<OrderId, Vec<HistoryRow>>,
    handled: HashMap<MessageId, InboxEntry>,
    outbox: BTreeMap<OutboxKey, Waiting>,
    numbers_given: u64,
    refused: HashSet<OrderId>,
}

/// A message in the outbox.
#[derive(Debug)]
struct Waiting {
    outgoing: OutboxMessage,
    committed_at: DateTime<Utc>,
    is_readable: bool,
}

impl Waiting {
    fn row(&self) -> OutboxRow {
        if self.is_readable {
            OutboxRow::Message(self.outgoing.clone())
        } else {
            OutboxRow::Unreadable((&self.outgoing.key).into())
        }
    }
}

impl Tables {
    pub(super) fn refuse(&mut self, order_id: OrderId) {
        self.refused.insert(order_id);
    }

    pub(super) fn garble_outbox(&mut self, order_id: &OrderId) {
        let of_order = self.outbox.iter_mut().filter(|(key, _)| key.order_id == *order_id);
        of_order.for_each(|(_, waiting)| waiting.is_readable = false);
    }

    pub(super) fn load(&mut self, needs: &BatchLookup) -> BatchState {
        let numbers = (0..needs.new_orders).map(|_| self.unused_number(&needs.order_ids)).collect();
        if needs.assume_new {
            return BatchState { numbers, ..BatchState::default() };
        }
        let handled = needs.message_ids.iter().filter_map(|message_id| self.handled(message_id));
        BatchState {
            handled: handled.map(|handled| (handled.message_id.clone(), handled)).collect(),
            orders: needs.order_ids.iter().filter_map(|id| self.orders.get(id).cloned()).collect(),
            numbers,
        }
    }

    fn unused_number(&mut self, named: &[OrderId]) -> OrderId {
        loop {
            let number = OrderId::from_number(u64::from(FIRST_NUMBER) + self.numbers_given);
            self.numbers_given += 1;
            if !self.orders.contains_key(&number) && !named.contains(&number) {
                return number;
            }
        }
    }

    /// Applies all changes, or none of them; see [`StoreTransaction::commit`].
    ///
    /// [`StoreTransaction::commit`]: order_worker::service_layer::StoreTransaction::commit
    pub(super) fn apply(&mut self, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        self.ensure_acceptable(changes)?;
        self.remove_published(&changes.published);
        let earlier = self.waiting_of(&changes.known_orders_with_events());
        let updated = changes.updated.iter().map(|(order, _)| order);
        for order in changes.placed.iter().chain(updated) {
            self.orders.insert(order.order_id().clone(), order.clone());
        }
        for row in &changes.history {
            self.history.entry(row.order_id.clone()).or_default().push(row.clone());
        }
        for handled in &changes.handled {
            self.handled.insert(handled.message_id.clone(), handled.clone());
        }
        let committed_at = SystemClock.now();
        for outgoing in &changes.outbox {
            let waiting = Waiting { outgoing: outgoing.clone(), committed_at, is_readable: true };
            self.outbox.insert(outgoing.key.clone(), waiting);
        }
        Ok(earlier)
    }

    fn ensure_acceptable(&self, changes: &Changes) -> Result<(), StoreError> {
        let written = changes.placed.iter().chain(changes.updated.iter().map(|(order, _)| order));
        if written.into_iter().any(|order| self.refused.contains(order.order_id())) {
            return Err(StoreError::Refused("constraint violated".to_owned()));
        }
        let version = |order: &Order| self.orders.get(order.order_id()).map(Order::version);
        let moved_on = changes.placed.iter().any(|order| version(order).is_some())
            || changes.updated.iter().any(|(order, loaded)| version(order) != Some(*loaded));
        if moved_on {
            return Err(StoreError::Conflict("orders".to_owned()));
        }
        if changes.handled.iter().any(|handled| self.handled.contains_key(&handled.message_id)) {
            return Err(StoreError::Conflict("handled_messages".to_owned()));
        }
        Ok(())
    }

    pub(super) fn remove_published(&mut self, published: &[OutboxKey]) {
        for key in published {
            self.outbox.remove(key);
        }
    }

    fn waiting_of(&self, order_ids: &[&OrderId]) -> Vec<OutboxRow> {
        let is_meant = |key: &OutboxKey| order_ids.binary_search(&&key.order_id).is_ok();
        let waiting = self.outbox.iter().filter(|(key, _)| is_meant(key));
        waiting.take(MAX_EARLIER_ROWS).map(|(_, waiting)| waiting.row()).collect()
    }

    /// See [`RelayStore::waiting`](order_worker::service_layer::RelayStore::waiting).
    pub(super) fn waiting(
        &self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Vec<OutboxRow> {
        let after = after.and_then(RawOutboxKey::parse);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let waiting = self.outbox.range((start, Bound::Unbounded)).map(|(_, waiting)| waiting);
        let old = waiting.filter(|waiting| waiting.committed_at <= committed_until);
        old.take(limit).map(Waiting::row).collect()
    }

    pub(super) fn outbox_at(&self, now: DateTime<Utc>) -> OutboxBacklog {
        let oldest = self.outbox.values().map(|waiting| waiting.committed_at).min();
        let age = oldest.map(|oldest| (now - oldest).to_std().unwrap_or_default());
        OutboxBacklog { count: self.outbox.len() as u64, oldest: age }
    }

    pub(super) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    pub(super) fn order(&self, order_id: &OrderId) -> Option<&Order> {
        self.orders.get(order_id)
    }

    pub(super) fn history(&self, order_id: &OrderId) -> &[HistoryRow] {
        self.history.get(order_id).map_or(&[], Vec::as_slice)
    }

    /// The inbox entry, with the present status of its order.
    pub(super) fn handled(&self, message_id: &MessageId) -> Option<InboxEntry> {
        let mut handled = self.handled.get(message_id)?.clone();
        if let Some(order) = self.orders.get(&handled.order.order_id) {
            handled.order.status = order.status();
        }
        Some(handled)
    }
}
