//! Which deliveries of a channel can be acknowledged with one frame.

use std::collections::VecDeque;

/// The deliveries of one channel from the oldest unacknowledged one on. Delivery tags count up from
/// 1 without gaps, as the channel has a single consumer.
#[derive(Debug, Default)]
pub struct AckTracker {
    /// The tag of the first state below.
    oldest: u64,
    states: VecDeque<State>,
    /// How many are in the state [`State::Settled`].
    settled: usize,
    /// How many are in the state [`State::Open`].
    open: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Settled,
    Acked,
}

impl AckTracker {
    /// Takes note of a delivery.
    pub fn open(&mut self, tag: u64) {
        if self.states.is_empty() {
            self.oldest = tag;
        }
        self.states.push_back(State::Open);
        self.open += 1;
    }

    /// Takes note that a delivery is done with. Unknown tags and repeats have no effect.
    pub fn settle(&mut self, tag: u64) {
        let place = tag.checked_sub(self.oldest).and_then(|place| usize::try_from(place).ok());
        if let Some(state @ State::Open) = place.and_then(|place| self.states.get_mut(place)) {
            *state = State::Settled;
            self.settled += 1;
            self.open -= 1;
        }
    }

    /// The tag up to which all deliveries can be acknowledged at once; none when the oldest is
    /// still open. What is returned counts as acknowledged.
    ///
    /// Never names a delivery that was acknowledged alone: the broker would close the channel over
    /// an unknown tag.
    pub fn take_cumulative(&mut self) -> Option<u64> {
        let mut run = None;
        while let Some(state @ (State::Settled | State::Acked)) = self.states.front() {
            if *state == State::Settled {
                run = Some(self.oldest);
                self.settled -= 1;
            }
            self.states.pop_front();
            self.oldest += 1;
        }
        run
    }

    /// Whether every delivery is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// How many the broker waits for an acknowledgement of.
    pub fn unacknowledged(&self) -> usize {
        self.open + self.settled
    }

    /// How many are settled behind an open one.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.settled
    }

    /// The oldest `most` tags that are settled behind an open one, to be acknowledged alone.
    pub fn take_waiting(&mut self, most: usize) -> Vec<u64> {
        let settled = (self.oldest..).zip(&mut self.states);
        let waiting: Vec<u64> = settled
            .filter(|(_, state)| **state == State::Settled)
            .take(most)
            .map(|(tag, state)| {
                *state = State::Acked;
                tag
            })
            .collect();
        self.settled -= waiting.len();
        waiting
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
        assert_eq!(acks.waiting(), 1);
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
        assert_eq!((acks.unacknowledged(), acks.waiting()), (4, 2));

        acks.take_waiting(1);
        assert_eq!((acks.unacknowledged(), acks.waiting()), (3, 1));
    }

    #[test]
    fn unknown_tags_and_repeats_have_no_effect() {
        let mut acks = opened(2);
        for tag in [0, 9, 1, 1] {
            acks.settle(tag);
        }

        assert_eq!(acks.take_cumulative(), Some(1));
        assert_eq!(acks.waiting(), 0);
    }
}
