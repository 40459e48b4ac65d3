//! Which deliveries of a channel can be acknowledged with one frame.

use std::collections::BTreeSet;

/// The unacknowledged deliveries of one channel: never more than the prefetch, whatever has come since
/// the oldest of them.
#[derive(Debug, Default)]
pub struct AckTracker {
    open: BTreeSet<u64>,
    /// Done with, and still to be acknowledged.
    settled: BTreeSet<u64>,
}

impl AckTracker {
    /// Takes note of a delivery.
    pub fn open(&mut self, tag: u64) {
        self.open.insert(tag);
    }

    /// Takes note that a delivery is done with. Unknown tags and repeats have no effect.
    pub fn settle(&mut self, tag: u64) {
        if self.open.remove(&tag) {
            self.settled.insert(tag);
        }
    }

    /// The tag up to which all deliveries can be acknowledged at once; none when the oldest is
    /// still open. What is returned counts as acknowledged.
    ///
    /// Never names a delivery that was acknowledged alone: the broker would close the channel over
    /// an unknown tag.
    pub fn take_cumulative(&mut self) -> Option<u64> {
        let oldest_open = self.open.first().copied().unwrap_or(u64::MAX);
        let mut run = None;
        while let Some(tag) = self.settled.first().copied().filter(|&tag| tag < oldest_open) {
            self.settled.pop_first();
            run = Some(tag);
        }
        run
    }

    /// Whether every delivery is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.unacknowledged() == 0
    }

    /// How many the broker waits for an acknowledgement of.
    pub fn unacknowledged(&self) -> usize {
        self.open.len() + self.settled.len()
    }

    /// The oldest `most` tags that are settled behind an open one, to be acknowledged alone.
    pub fn take_waiting(&mut self, most: usize) -> Vec<u64> {
        std::iter::from_fn(|| self.settled.pop_first()).take(most).collect()
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
    fn a_run_ends_before_the_oldest_open_delivery() {
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
        assert_eq!(acks.take_waiting(9), [2]);
        assert_eq!(acks.take_waiting(9), Vec::<u64>::new());
    }

    #[test]
    fn a_delivery_acknowledged_alone_is_never_named_again() {
        let mut acks = opened(3);
        acks.settle(2);
        acks.settle(3);
        assert_eq!(acks.take_waiting(1), [2]);
        assert_eq!(acks.take_waiting(9), [3]);
        acks.settle(1);
        assert_eq!(acks.take_cumulative(), Some(1));

        acks.open(4);
        acks.settle(4);
        assert_eq!(acks.take_cumulative(), Some(4));
    }

    #[test]
    fn what_waits_for_an_acknowledgement_is_open_or_settled() {
        let mut acks = opened(4);
        acks.settle(2);
        acks.settle(3);
        assert_eq!((acks.unacknowledged(), acks.settled.len()), (4, 2));

        acks.take_waiting(1);
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

    /// With a walk over all that came behind the stuck one, this would take minutes.
    #[test]
    fn a_stuck_delivery_makes_the_acknowledgements_behind_it_no_slower() {
        let mut acks = opened(1);
        for tag in 2..500_000 {
            acks.open(tag);
            acks.settle(tag);
            assert_eq!(acks.take_cumulative(), None);
            assert_eq!(acks.take_waiting(1), [tag]);
        }

        assert_eq!(acks.unacknowledged(), 1);
    }
}
