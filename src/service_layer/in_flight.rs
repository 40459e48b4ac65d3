//! The messages of the outbox that are being published.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::messages::OutboxMessage;

/// The messages that the lanes of this process are publishing and that are still in the outbox. The
/// lanes update it, and the relay skips the messages in it, however long the broker takes. Clones
/// share it.
#[derive(Debug, Clone, Default)]
pub struct InFlight {
    event_ids: Arc<Mutex<HashSet<(Uuid, Origin)>>>,
    origin: Origin,
    /// Notified when a message is left to the relay.
    left_to_relay: Arc<Notify>,
}

/// The lanes that publish a message. Lanes of the queue own their orders: a lane publishes the
/// events of an order in sequence. The lane of the command client may process the same orders
/// concurrently, as another worker would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Origin {
    #[default]
    Queue,
    CommandClient,
}

impl InFlight {
    /// The same set, for the lane of the command client.
    pub fn for_command_client(&self) -> Self {
        Self { origin: Origin::CommandClient, ..self.clone() }
    }

    pub fn insert(&self, event_ids: impl IntoIterator<Item = Uuid>) {
        let keys = event_ids.into_iter().map(|event_id| (event_id, self.origin));
        self.locked(|present| present.extend(keys));
    }

    pub fn remove(&self, event_ids: impl IntoIterator<Item = Uuid>) {
        self.locked(|present| {
            for event_id in event_ids {
                present.remove(&(event_id, self.origin));
            }
        });
    }

    /// Leaves messages in the outbox for the relay: this process no longer publishes them.
    pub fn leave_to_relay(&self, event_ids: impl IntoIterator<Item = Uuid>) {
        self.remove(event_ids);
        self.left_to_relay.notify_one();
    }

    /// Waits until a message is left to the relay, or returns at once if one was since the last call.
    pub async fn wait_for_left(&self) {
        self.left_to_relay.notified().await;
    }

    /// All messages in flight, of any origin.
    pub fn snapshot(&self) -> HashSet<Uuid> {
        self.locked(|present| present.iter().map(|(event_id, _)| *event_id).collect())
    }

    /// Removes the messages that lanes of this origin are publishing. Those of the other origin are
    /// kept: they must be published before newer events, and the other lane may be slower.
    pub fn retain_others(&self, messages: &mut Vec<OutboxMessage>) {
        self.locked(|present| {
            messages.retain(|message| !present.contains(&(message.key.event_id, self.origin)));
        });
    }

    fn locked<T>(&self, act: impl FnOnce(&mut HashSet<(Uuid, Origin)>) -> T) -> T {
        // No code that can panic runs under the lock.
        act(&mut self.event_ids.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
