//! Splits a batch in half, repeatedly, to isolate a message that makes it fail.

/// The parts of a batch that are still to be processed. A part is a list of message indexes, in
/// order.
#[derive(Debug)]
pub(super) struct Bisection {
    /// A stack.
    pending: Vec<Vec<usize>>,
    parked: Vec<usize>,
}

impl Bisection {
    /// A batch of this many messages, as one part.
    pub(super) fn of(messages: usize) -> Self {
        let all: Vec<usize> = (0..messages).collect();
        let pending = if all.is_empty() { Vec::new() } else { vec![all] };
        Self { pending, parked: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Option<Vec<usize>> {
        self.pending.pop()
    }

    /// Puts a part back as the next one.
    pub(super) fn retry(&mut self, part: Vec<usize>) {
        if !part.is_empty() {
            self.pending.push(part);
        }
    }

    /// Puts a part back as two halves; returns false if it is a single message.
    pub(super) fn split(&mut self, part: &[usize]) -> bool {
        if part.len() < 2 {
            return false;
        }
        let (first, second) = part.split_at(part.len() / 2);
        self.pending.extend([second.to_vec(), first.to_vec()]);
        true
    }

    /// Puts a part back, and removes the messages that satisfy the predicate from all pending parts.
    pub(super) fn park(&mut self, part: Vec<usize>, is_parked: impl Fn(usize) -> bool) {
        self.pending.push(part);
        for part in &mut self.pending {
            self.parked.extend(part.iter().copied().filter(|&index| is_parked(index)));
            part.retain(|&index| !is_parked(index));
        }
        self.pending.retain(|part| !part.is_empty());
    }

    /// The removed messages, in order.
    pub(super) fn into_parked(self) -> Vec<usize> {
        let mut parked = self.parked;
        parked.sort_unstable();
        parked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_handled_in_the_order_of_the_batch() {
        let mut parts = Bisection::of(5);
        let whole = parts.next().unwrap();

        assert!(parts.split(&whole));

        assert_eq!(parts.next().unwrap(), [0, 1]);
        assert_eq!(parts.next().unwrap(), [2, 3, 4]);
        assert_eq!(parts.next(), None);
        assert!(!parts.split(&[3]));
    }

    #[test]
    fn parked_messages_are_removed_from_all_pending_parts() {
        let mut parts = Bisection::of(6);
        let whole = parts.next().unwrap();
        parts.split(&whole);
        let first = parts.next().unwrap();

        parts.park(first, |index| index % 3 == 1);

        assert_eq!(parts.next().unwrap(), [0, 2]);
        assert_eq!(parts.next().unwrap(), [3, 5]);
        assert_eq!(parts.next(), None);
        assert_eq!(parts.into_parked(), [1, 4]);
    }
}
