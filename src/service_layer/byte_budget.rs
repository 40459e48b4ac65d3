//! A bound, in bytes, on messages that wait in memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a waiting message costs beside its texts.
pub const MESSAGE_OVERHEAD: usize = 512;

/// Bytes that may be taken; clones share them.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Semaphore>);

/// Bytes that were taken; given back when this is dropped.
#[derive(Debug)]
pub struct Room {
    _permit: OwnedSemaphorePermit,
}

impl ByteBudget {
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Takes bytes, unless there are not so many.
    #[must_use]
    pub fn try_take(&self, bytes: usize) -> Option<Room> {
        let bytes = u32::try_from(bytes).ok()?;
        let permit = Arc::clone(&self.0).try_acquire_many_owned(bytes).ok()?;
        Some(Room { _permit: permit })
    }
}
