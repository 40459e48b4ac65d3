//! Commands that wait because another transaction has locked their order, or the database fails on
//! them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::OrderId;
use crate::metrics::{Metrics, Source};

/// Delay between two attempts at parked commands.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Parked commands, in their order of arrival, so that commands of other orders can be processed.
/// Later commands of a parked order are parked as well, so that they are not reordered.
///
/// They are retried in rounds, each with all commands that are parked. The caller must take
/// commands that are [due](Self::next_due) before new ones.
#[derive(Debug)]
pub struct Parked<T> {
    waiting: Vec<(Option<OrderId>, T)>,
    /// The number of waiting commands per order.
    orders: HashMap<OrderId, usize>,
    /// The rest of the current round.
    due: VecDeque<(Option<OrderId>, T)>,
    next_round: Instant,
    capacity: usize,
    /// The state that was logged last.
    is_reported: bool,
    is_reported_full: bool,
    /// The value in the metrics.
    counted: usize,
    metrics: Metrics,
    source: Source,
}

impl<T> Parked<T> {
    /// `capacity` is in commands, at least 1.
    pub fn new(capacity: usize, metrics: Metrics, source: Source) -> Self {
        Self {
            waiting: Vec::new(),
            orders: HashMap::new(),
            due: VecDeque::new(),
            next_round: Instant::now(),
            capacity: capacity.max(1),
            is_reported: false,
            is_reported_full: false,
            counted: 0,
            metrics,
            source,
        }
    }

    pub fn len(&self) -> usize {
        self.waiting.len() + self.due.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the capacity is reached, so that the lane must not accept new commands.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// Whether commands of this order are parked, so that a further one must wait behind them.
    pub fn holds(&self, order_id: Option<&OrderId>) -> bool {
        order_id.is_some_and(|order_id| self.orders.contains_key(order_id))
    }

    /// Parks a command after all others.
    pub fn park(&mut self, order_id: Option<OrderId>, command: T) {
        if self.waiting.is_empty() {
            self.next_round = Instant::now() + RETRY_AFTER;
        }
        if let Some(order_id) = &order_id {
            *self.orders.entry(order_id.clone()).or_default() += 1;
        }
        self.waiting.push((order_id, command));
    }

    /// The next command to retry, if it is due.
    pub fn next_due(&mut self) -> Option<T> {
        if self.due.is_empty() && !self.waiting.is_empty() && Instant::now() >= self.next_round {
            self.due = std::mem::take(&mut self.waiting).into();
            self.orders.clear();
        }
        loop {
            let (order_id, command) = self.due.pop_front()?;
            if !self.holds(order_id.as_ref()) {
                return Some(command);
            }
            // An earlier command of this order was retried in this round and parked again.
            self.park(order_id, command);
        }
    }

    /// Waits until a command is due; forever if none is parked.
    pub async fn until_due(&self) {
        if !self.due.is_empty() {
            return;
        }
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(self.next_round).await;
    }

    /// Drops all commands.
    pub fn clear(&mut self) {
        self.due.clear();
        self.waiting.clear();
        self.orders.clear();
    }

    /// Updates the metrics and logs changes. Called after each batch.
    pub fn report(&mut self) {
        self.count(self.len());
        let source = self.source.as_str();
        let parked = self.len();
        if !self.is_empty() && !self.is_reported {
            let order_id = self.waiting.iter().find_map(|(order_id, _)| order_id.as_ref());
            let order_id = order_id.map(tracing::field::display);
            tracing::warn!(
                source,
                order_id,
                parked,
                "An order is locked by another transaction or fails in the database; its commands are \
                 parked and retried, others are processed"
            );
        }
        if self.is_empty() && self.is_reported {
            tracing::info!(source, "No commands are parked any more");
        }
        self.is_reported = !self.is_empty();
        if self.is_full() && !self.is_reported_full {
            tracing::warn!(
                source,
                parked,
                "Too many commands are parked; the lane accepts no more"
            );
        }
        if self.is_reported_full && !self.is_full() {
            tracing::info!(source, parked, "The lane accepts commands again");
        }
        self.is_reported_full = self.is_full();
    }

    fn count(&mut self, parked: usize) {
        self.metrics.commands.parked(self.source, self.counted, parked);
        self.counted = parked;
    }
}

impl<T> Drop for Parked<T> {
    fn drop(&mut self) {
        self.count(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(name: &str) -> OrderId {
        OrderId::new(name).unwrap()
    }

    fn parked(capacity: usize) -> Parked<u32> {
        Parked::new(capacity, Metrics::new(), Source::Queue)
    }

    #[tokio::test(start_paused = true)]
    async fn parked_commands_are_due_after_a_second_in_order() {
        let mut parked = parked(10);
        parked.park(Some(order("A")), 1);
        parked.park(Some(order("B")), 2);
        assert_eq!(parked.next_due(), None);

        parked.until_due().await;

        assert_eq!(
            (parked.next_due(), parked.next_due(), parked.next_due()),
            (Some(1), Some(2), None)
        );
        assert!(parked.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_behind_one_that_is_parked_again() {
        let mut parked = parked(10);
        for command in 1..=3 {
            parked.park(Some(order("A")), command);
        }
        parked.until_due().await;

        assert_eq!(parked.next_due(), Some(1));
        parked.park(Some(order("A")), 1);
        assert_eq!(parked.next_due(), None, "later ones are parked as well");

        parked.until_due().await;
        assert_eq!(
            (parked.next_due(), parked.next_due(), parked.next_due()),
            (Some(1), Some(2), Some(3))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn only_orders_that_are_parked_hold_others_up() {
        let mut parked = parked(2);
        parked.park(Some(order("A")), 1);
        parked.park(None, 2);

        assert!(parked.holds(Some(&order("A"))));
        assert!(!parked.holds(Some(&order("B"))) && !parked.holds(None));
        assert!(parked.is_full());

        parked.clear();
        assert!(!parked.holds(Some(&order("A"))) && parked.is_empty());
    }
}
