//! Commands that wait for an order which another transaction has locked, or which the database fails at.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::OrderId;
use crate::metrics::{Metrics, Source};

/// How long parked commands wait before they are tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Commands of locked orders, in the order in which they came, so that those of other orders go on.
/// A command that comes later for a parked order is parked as well: the commands of an order keep
/// their order.
///
/// They are tried again in rounds. A round takes all that is parked; who takes from here takes what
/// is [due](Self::next_due) before anything new.
#[derive(Debug)]
pub struct Parked<T> {
    waiting: Vec<(Option<OrderId>, T)>,
    /// How many are waiting for each order.
    orders: HashMap<OrderId, usize>,
    /// The rest of the present round.
    due: VecDeque<(Option<OrderId>, T)>,
    next_round: Instant,
    most: usize,
    /// What the log said last.
    is_reported: bool,
    is_reported_full: bool,
    /// What the metrics say.
    counted: usize,
    metrics: Metrics,
    source: Source,
}

impl<T> Parked<T> {
    /// With room for `most` commands, at least one.
    pub fn new(most: usize, metrics: Metrics, source: Source) -> Self {
        Self {
            waiting: Vec::new(),
            orders: HashMap::new(),
            due: VecDeque::new(),
            next_round: Instant::now(),
            most: most.max(1),
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

    /// Whether nothing new is to be taken before there is room again.
    pub fn is_full(&self) -> bool {
        self.len() >= self.most
    }

    /// Whether a command has to wait behind others for its order.
    pub fn holds(&self, order_id: Option<&OrderId>) -> bool {
        order_id.is_some_and(|order_id| self.orders.contains_key(order_id))
    }

    /// Parks a command behind all others.
    pub fn park(&mut self, order_id: Option<OrderId>, command: T) {
        if self.waiting.is_empty() {
            self.next_round = Instant::now() + RETRY_AFTER;
        }
        if let Some(order_id) = &order_id {
            *self.orders.entry(order_id.clone()).or_default() += 1;
        }
        self.waiting.push((order_id, command));
    }

    /// The next command to be tried again, if it is time.
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
            // Others of this order were tried in this round, and it is still locked.
            self.park(order_id, command);
        }
    }

    /// Ends when it is time to try again; never, while nothing is parked.
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

    /// Says in the log and in the metrics what has changed; called after each batch.
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
                "An order is locked by another transaction or fails in the database, its commands wait and \
                 others go on"
            );
        }
        if self.is_empty() && self.is_reported {
            tracing::info!(source, "No command waits for a locked order any more");
        }
        self.is_reported = !self.is_empty();
        if self.is_full() && !self.is_reported_full {
            tracing::warn!(
                source,
                parked,
                "Too many commands wait for locked orders, the lane takes no more"
            );
        }
        if self.is_reported_full && !self.is_full() {
            tracing::info!(source, parked, "The lane takes commands again");
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

    fn parked(most: usize) -> Parked<u32> {
        Parked::new(most, Metrics::new(), Source::Queue)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_parked_is_due_after_a_second_in_its_order() {
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
        assert_eq!(parked.next_due(), None, "they are parked as well");

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
