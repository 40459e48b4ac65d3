//! Tracks which deliveries of a channel can be acknowledged with one `basic.ack` (`multiple`).

use std::collections::BTreeSet;

/// The unacknowledged deliveries of one channel: at most the prefetch, however many deliveries came
/// since the oldest of them.
#[derive(Debug, Default)]
pub struct AckTracker {
    open: BTreeSet<u64>,
    /// Settled by the worker, not acknowledged to the broker yet.
    settled: BTreeSet<u64>,
}

impl AckTracker {
    /// Adds a delivery.
    pub fn open(&mut self, tag: u64) {
        self.open.insert(tag);
    }

    /// Leaves out a delivery that is not going to be settled: the broker requeues it in the end.
    pub fn forget(&mut self, tag: u64) {
        self.open.remove(&tag);
    }

    /// Marks a delivery as settled. Unknown tags and repeats have no effect.
    pub fn settle(&mut self, tag: u64) {
        if self.open.remove(&tag) {
            self.settled.insert(tag);
        }
    }

    /// The tag for a cumulative acknowledgement: all deliveries up to it are settled. `None` while
    /// the oldest is open. The deliveries count as acknowledged from here on.
    ///
    /// Never returns the tag of a delivery that was acknowledged individually: the broker closes
    /// the channel over an unknown tag.
    pub fn take_cumulative(&mut self) -> Option<u64> {
        let oldest_open = self.open.first().copied().unwrap_or(u64::MAX);
        let mut up_to = None;
        while let Some(tag) = self.settled.first().copied().filter(|&tag| tag < oldest_open) {
            self.settled.pop_first();
            up_to = Some(tag);
        }
        up_to
    }

    /// Whether every delivery is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.unacknowledged() == 0
    }

    /// How many deliveries the broker counts as unacknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.open.len() + self.settled.len()
    }

    /// The oldest settled tags, at most `max`, to be acknowledged individually because an older
    /// delivery is still open.
    pub fn take_individual(&mut self, max: usize) -> Vec<u64> {
        std::iter::from_fn(|| self.settled.pop_first()).take(max).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(tags: u64) -> AckTracker {
        let mut acks = AckTracker::default();
        (1..=tags).for_each(|tag| acks.open(tag));
        acks
    }

    #[test]
    fn a_cumulative_ack_ends_before_the_oldest_open_delivery() {
        let mut acks = opened(5);
        for tag in [3, 1, 2, 5] {
            acks.settle(tag);
        }

        assert_eq!(acks.take_cumulative(), Some(3));
        assert_eq!(acks.take_cumulative(), None);
        assert_eq!(acks.settled.len(), 1);
    }

    #[test]
    fn nothing_is_acknowledged_before_it_is_settled() {
        let mut acks = opened(3);
        acks.settle(2);

        assert_eq!(acks.take_cumulative(), None);
        assert_eq!(acks.take_individual(9), [2]);
        assert_eq!(acks.take_individual(9), Vec::<u64>::new());
    }

    #[test]
    fn a_delivery_acknowledged_individually_is_never_acknowledged_again() {
        let mut acks = opened(3);
        acks.settle(2);
        acks.settle(3);
        assert_eq!(acks.take_individual(1), [2]);
        assert_eq!(acks.take_individual(9), [3]);
        acks.settle(1);
        assert_eq!(acks.take_cumulative(), Some(1));

        acks.open(4);
        acks.settle(4);
        assert_eq!(acks.take_cumulative(), Some(4));
    }

    #[test]
    fn a_forgotten_delivery_is_not_waited_for_and_never_acknowledged() {
        let mut acks = opened(2);
        acks.forget(2);
        acks.settle(1);

        assert_eq!(acks.take_cumulative(), Some(1));
        assert!(acks.is_empty());
    }

    #[test]
    fn open_and_settled_deliveries_are_unacknowledged() {
        let mut acks = opened(4);
        acks.settle(2);
        acks.settle(3);
        assert_eq!((acks.unacknowledged(), acks.settled.len()), (4, 2));

        acks.take_individual(1);
        assert_eq!((acks.unacknowledged(), acks.settled.len()), (3, 1));
    }

    #[test]
    fn unknown_tags_and_repeats_have_no_effect() {
        let mut acks = opened(2);
        for tag in [0, 9, 1, 1] {
            acks.settle(tag);
        }

        assert_eq!(acks.take_cumulative(), Some(1));
        assert_eq!(acks.settled.len(), 0);
    }

    /// This would take minutes if each call walked over all deliveries behind the stuck one.
    #[test]
    fn a_stuck_delivery_makes_the_acknowledgements_behind_it_no_slower() {
        let mut acks = opened(1);
        for tag in 2..500_000 {
            acks.open(tag);
            acks.settle(tag);
            assert_eq!(acks.take_cumulative(), None);
            assert_eq!(acks.take_individual(1), [tag]);
        }

        assert_eq!(acks.unacknowledged(), 1);
    }
}
