//! Which messages of the outbox are on their way to the broker.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::messages::OutboxMessage;

/// The messages that the lanes of this process have given out to be published, and that are still in
/// the outbox. Clones share it: the lanes write it, and the relay leaves alone what is in it, however
/// long the broker takes.
#[derive(Debug, Clone, Default)]
pub struct InFlight {
    on_their_way: Arc<Mutex<HashSet<(Uuid, Origin)>>>,
    origin: Origin,
    /// Signalled when a message was left to the relay.
    left_over: Arc<Notify>,
}

/// Which lanes gave a message out. Those of the queue have an order to themselves, each: what one of
/// them gave out goes before what it gives out next. Commands that come as requests may be about the
/// same orders at the same time, as if another worker handled them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Origin {
    #[default]
    Queue,
    CommandClient,
}

impl InFlight {
    /// The same for the lane of requests.
    pub fn of_requests(&self) -> Self {
        Self { origin: Origin::CommandClient, ..self.clone() }
    }

    pub fn insert(&self, event_ids: impl IntoIterator<Item = Uuid>) {
        let marked = event_ids.into_iter().map(|event_id| (event_id, self.origin));
        self.locked(|present| present.extend(marked));
    }

    pub fn remove(&self, event_ids: impl IntoIterator<Item = Uuid>) {
        self.locked(|present| {
            for event_id in event_ids {
                present.remove(&(event_id, self.origin));
            }
        });
    }

    /// Leaves messages to the relay: they stay in the outbox, and nobody is publishing them any more.
    pub fn leave(&self, event_ids: impl IntoIterator<Item = Uuid>) {
        self.remove(event_ids);
        self.left_over.notify_one();
    }

    /// Waits until something has been left to the relay since the last time.
    pub async fn left_over(&self) {
        self.left_over.notified().await;
    }

    /// What is on its way at this moment, whoever gave it out.
    pub fn snapshot(&self) -> HashSet<Uuid> {
        self.locked(|present| present.iter().map(|(event_id, _)| *event_id).collect())
    }

    /// Keeps those of the messages that lanes of this origin have not given out. What others have
    /// given out stays: a copy of it must go before what is newer, as theirs may come later.
    pub fn retain_others(&self, messages: &mut Vec<OutboxMessage>) {
        self.locked(|present| {
            messages.retain(|message| !present.contains(&(message.key.event_id, self.origin)));
        });
    }

    fn locked<T>(&self, act: impl FnOnce(&mut HashSet<(Uuid, Origin)>) -> T) -> T {
        // No code that can panic runs under the lock.
        act(&mut self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
