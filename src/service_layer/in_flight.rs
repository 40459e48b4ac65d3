//! Which messages of the outbox are on their way to the broker.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::Outgoing;

/// The messages that the lanes of this process have given out to be published, and that are still in
/// the outbox. Clones share it: the lanes write it, and the relay leaves alone what is in it, however
/// long the broker takes.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Mutex<HashSet<Uuid>>>);

impl InFlight {
    pub fn insert(&self, event_ids: impl IntoIterator<Item = Uuid>) {
        self.locked(|present| present.extend(event_ids));
    }

    pub fn remove(&self, event_ids: impl IntoIterator<Item = Uuid>) {
        self.locked(|present| {
            for event_id in event_ids {
                present.remove(&event_id);
            }
        });
    }

    /// What is on its way at this moment.
    #[must_use]
    pub fn snapshot(&self) -> HashSet<Uuid> {
        self.locked(|present| present.clone())
    }

    /// Keeps those of the messages that are not on their way.
    pub fn retain_others(&self, messages: &mut Vec<Outgoing>) {
        self.locked(|present| messages.retain(|message| !present.contains(&message.key.event_id)));
    }

    fn locked<T>(&self, act: impl FnOnce(&mut HashSet<Uuid>) -> T) -> T {
        // No code that can panic runs under the lock.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
