//! The parts into which a batch is split while it is handled.

/// What is still to be done of a batch: places of its messages, in their order.
#[derive(Debug)]
pub(super) struct Parts {
    /// The next one is the last.
    waiting: Vec<Vec<usize>>,
    set_aside: Vec<usize>,
}

impl Parts {
    /// All of a batch, as one part.
    pub(super) fn of(messages: usize) -> Self {
        let all: Vec<usize> = (0..messages).collect();
        let waiting = if all.is_empty() { Vec::new() } else { vec![all] };
        Self { waiting, set_aside: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Option<Vec<usize>> {
        self.waiting.pop()
    }

    /// Puts a part back, to be the next one.
    pub(super) fn again(&mut self, part: Vec<usize>) {
        if !part.is_empty() {
            self.waiting.push(part);
        }
    }

    /// Puts a part back in halves; false where it is of one message.
    pub(super) fn split(&mut self, part: &[usize]) -> bool {
        if part.len() < 2 {
            return false;
        }
        let (first, second) = part.split_at(part.len() / 2);
        self.waiting.extend([second.to_vec(), first.to_vec()]);
        true
    }

    /// Leaves messages out: of the part, which is put back, and of all that is still to come.
    pub(super) fn set_aside(&mut self, part: Vec<usize>, is_meant: impl Fn(usize) -> bool) {
        self.waiting.push(part);
        for part in &mut self.waiting {
            self.set_aside.extend(part.iter().copied().filter(|&place| is_meant(place)));
            part.retain(|&place| !is_meant(place));
        }
        self.waiting.retain(|part| !part.is_empty());
    }

    /// The messages that were left out, in their order.
    pub(super) fn into_set_aside(self) -> Vec<usize> {
        let mut set_aside = self.set_aside;
        set_aside.sort_unstable();
        set_aside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_handled_in_the_order_of_the_batch() {
        let mut parts = Parts::of(5);
        let whole = parts.next().unwrap();

        assert!(parts.split(&whole));

        assert_eq!(parts.next().unwrap(), [0, 1]);
        assert_eq!(parts.next().unwrap(), [2, 3, 4]);
        assert_eq!(parts.next(), None);
        assert!(!parts.split(&[3]));
    }

    #[test]
    fn what_is_set_aside_is_left_out_of_all_parts_to_come() {
        let mut parts = Parts::of(6);
        let whole = parts.next().unwrap();
        parts.split(&whole);
        let first = parts.next().unwrap();

        parts.set_aside(first, |place| place % 3 == 1);

        assert_eq!(parts.next().unwrap(), [0, 2]);
        assert_eq!(parts.next().unwrap(), [3, 5]);
        assert_eq!(parts.next(), None);
        assert_eq!(parts.into_set_aside(), [1, 4]);
    }
}
