//! Puts the deliveries of a channel back into the order of their tags.

use std::collections::BTreeMap;

/// The deliveries of a channel with several consumers, in the order of their tags.
///
/// lapin has a stream of deliveries for each consumer, so those of different consumers arrive in
/// any order. A cumulative acknowledgement covers all lower tags: out of order, it would cover
/// deliveries that are still in the stream of another consumer. They would be lost with the worker,
/// and the broker would close the channel over their own acknowledgement.
#[derive(Debug)]
pub struct DeliveryOrder<T> {
    next_tag: u64,
    /// Those that have arrived before one with a lower tag; at most the prefetch.
    early: BTreeMap<u64, T>,
}

impl<T> Default for DeliveryOrder<T> {
    /// For a new channel, whose first delivery has tag 1.
    fn default() -> Self {
        Self { next_tag: 1, early: BTreeMap::new() }
    }
}

impl<T> DeliveryOrder<T> {
    pub fn add(&mut self, tag: u64, delivery: T) {
        self.early.insert(tag, delivery);
    }

    /// The delivery that follows the one taken before, if it has arrived.
    pub fn take_next(&mut self) -> Option<T> {
        let next = self.early.remove(&self.next_tag)?;
        self.next_tag += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_waits_for_those_with_lower_tags() {
        let mut order = DeliveryOrder::default();
        order.add(2, "second");
        order.add(4, "fourth");
        assert_eq!(order.take_next(), None);

        order.add(1, "first");

        assert_eq!(order.take_next(), Some("first"));
        assert_eq!(order.take_next(), Some("second"));
        assert_eq!(order.take_next(), None);
        order.add(3, "third");
        assert_eq!(order.take_next(), Some("third"));
        assert_eq!(order.take_next(), Some("fourth"));
    }
}
