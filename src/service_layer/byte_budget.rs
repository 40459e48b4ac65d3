//! Limits the bytes of messages in memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Estimated memory per message besides its body, in bytes.
pub const MESSAGE_OVERHEAD: usize = 512;

/// A limit on the bytes of messages in memory; clones share it.
///
/// A message that is larger than half of the budget counts as half of it, so that a large message
/// does not have to wait until everything else is released.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    free: Arc<Semaphore>,
    limit: u32,
}

/// Reserved bytes, released on drop.
#[derive(Debug)]
pub struct ByteReservation(OwnedSemaphorePermit);

impl ByteReservation {
    /// Adds another reservation of the same budget to this one.
    pub fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl ByteBudget {
    /// A budget of at least 1 and at most `u32::MAX` bytes (4 GiB).
    pub fn new(limit: usize) -> Self {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(limit).unwrap_or(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))), limit }
    }

    /// Reserves the bytes if they are available.
    pub fn try_reserve(&self, bytes: usize) -> Option<ByteReservation> {
        self.free.clone().try_acquire_many_owned(self.permits(bytes)).ok().map(ByteReservation)
    }

    /// Waits until the bytes are available. Waiters are served in order.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub async fn reserve(self, bytes: usize) -> ByteReservation {
        let permits = self.permits(bytes);
        let permit = self.free.acquire_many_owned(permits).await;
        ByteReservation(permit.expect("the semaphore is never closed"))
    }

    /// The number of reserved bytes.
    pub fn reserved(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX) - self.free.available_permits()
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.limit.div_ceil(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_stay_within_the_budget() {
        let budget = ByteBudget::new(100);
        let first = budget.try_reserve(50);
        let second = budget.try_reserve(20);

        assert!(first.is_some() && second.is_some());
        assert!(budget.try_reserve(31).is_none());
        assert_eq!(budget.reserved(), 70);
        drop(first);
        assert!(budget.try_reserve(31).is_some());
    }

    #[test]
    fn a_message_larger_than_the_budget_counts_as_half_of_it() {
        let budget = ByteBudget::new(100);
        let _small = budget.try_reserve(1);

        let large = budget.try_reserve(1_000);

        assert!(large.is_some());
        assert!(budget.try_reserve(1_000).is_none());
        assert!(budget.try_reserve(49).is_some());
    }
}
