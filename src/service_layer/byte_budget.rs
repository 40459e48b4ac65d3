//! How many bytes of messages the process may hold at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a message takes beside its body.
pub const MESSAGE_OVERHEAD: usize = 512;

/// A bound on the bytes of messages in hand; clones share it.
///
/// A message that is larger than the whole budget is let in when nothing else is held, so the bound
/// may be exceeded by one message, and none waits for ever.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    free: Arc<Semaphore>,
    limit: u32,
}

/// Bytes that are in use until this is dropped.
#[derive(Debug)]
pub struct ByteHold(#[expect(dead_code, reason = "held to be dropped")] OwnedSemaphorePermit);

impl ByteBudget {
    /// A budget of at least 1 and at most `u32::MAX` bytes (4 GiB).
    pub fn new(limit: usize) -> Self {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(limit).unwrap_or(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))), limit }
    }

    /// Takes the bytes if they are free.
    pub fn try_hold(&self, bytes: usize) -> Option<ByteHold> {
        self.free.clone().try_acquire_many_owned(self.permits(bytes)).ok().map(ByteHold)
    }

    /// Takes the bytes as soon as they are free; those who wait are served in their order.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub async fn hold(self, bytes: usize) -> ByteHold {
        let permits = self.permits(bytes);
        let held = self.free.acquire_many_owned(permits).await;
        ByteHold(held.expect("the semaphore is never closed"))
    }

    /// How many bytes are in use.
    pub fn held(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX) - self.free.available_permits()
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_below_the_budget() {
        let budget = ByteBudget::new(100);
        let first = budget.try_hold(60);

        assert!(first.is_some());
        assert!(budget.try_hold(41).is_none());
        assert_eq!(budget.held(), 60);
        drop(first);
        assert!(budget.try_hold(41).is_some());
    }

    #[test]
    fn a_message_larger_than_the_budget_is_let_in_alone() {
        let budget = ByteBudget::new(100);
        let small = budget.try_hold(1);

        assert!(budget.try_hold(1_000).is_none());
        drop(small);
        let large = budget.try_hold(1_000);
        assert!(large.is_some());
        assert!(budget.try_hold(1).is_none());
    }
}
