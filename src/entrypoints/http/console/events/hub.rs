//! Distributes events to all open pages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::batch::{BATCH_INTERVAL, Batch};
use crate::bootstrap::{Broker, SubscriptionEvent, subscribe_to_events};

/// Maximum number of open pages.
const MAX_LISTENERS: usize = 50;

/// Maximum number of events between the subscription and the hub.
const EVENT_BUFFER: usize = 1_000;

/// Stream events that are buffered for a page. A page that falls further behind is disconnected.
const LISTENER_BUFFER: usize = 16;

/// An event of the stream to a page.
#[derive(Debug, Clone)]
pub enum StreamEvent {
    /// The subscription is being opened.
    Connecting,
    /// The subscription is open.
    Listening,
    /// The subscription was lost, for this reason; it is retried.
    Disconnected(Arc<str>),
    /// Lines of events, as HTML.
    Events(Arc<str>),
}

/// Distributes events to listeners; clones share them.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    permits: Arc<Semaphore>,
}

#[derive(Debug)]
struct State {
    /// `Some` while there is a subscription.
    listeners: Option<broadcast::Sender<StreamEvent>>,
    /// The first event that a new listener gets.
    connection: StreamEvent,
}

/// An open page.
#[derive(Debug)]
pub struct Listener {
    /// The state of the subscription at the time of listening.
    pub connection: StreamEvent,
    pub events: broadcast::Receiver<StreamEvent>,
    _permit: OwnedSemaphorePermit,
}

impl Default for Hub {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State { listeners: None, connection: StreamEvent::Connecting }),
            permits: Arc::new(Semaphore::new(MAX_LISTENERS)),
        }))
    }
}

impl Hub {
    /// Adds a listener; the first one opens the subscription. `None` if there are [`MAX_LISTENERS`]
    /// already.
    pub fn listen(&self, broker: &Broker) -> Option<Listener> {
        let permit = Arc::clone(&self.0.permits).try_acquire_owned().ok()?;
        let mut state = self.lock();
        let events = if let Some(listeners) = &state.listeners {
            listeners.subscribe()
        } else {
            let (listeners, events) = broadcast::channel(LISTENER_BUFFER);
            let connection = StreamEvent::Connecting;
            *state = State { listeners: Some(listeners.clone()), connection };
            tokio::spawn(run(self.clone(), broker.clone(), listeners));
            events
        };
        let connection = state.connection.clone();
        Some(Listener { connection, events, _permit: permit })
    }

    /// Sends the state of the subscription to all listeners, and to later ones when they start.
    fn set_connection(&self, connection: StreamEvent) {
        let mut state = self.lock();
        state.connection = connection.clone();
        if let Some(listeners) = &state.listeners {
            // Fails when all listeners have gone.
            let _ = listeners.send(connection);
        }
    }

    /// Returns true if there are no listeners; the next one then opens a new subscription.
    fn close_if_unused(&self) -> bool {
        let mut state = self.lock();
        let is_unused = state.listeners.as_ref().is_none_or(|it| it.receiver_count() == 0);
        if is_unused {
            state.listeners = None;
        }
        is_unused
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Subscribes and distributes events until the last listener has gone.
async fn run(hub: Hub, broker: Broker, listeners: broadcast::Sender<StreamEvent>) {
    let (sender, receiver) = mpsc::channel(EVENT_BUFFER);
    tokio::select! {
        () = subscribe_to_events(broker, sender) => {}
        () = distribute(&hub, receiver, &listeners) => {}
    }
}

async fn distribute(
    hub: &Hub,
    mut received: mpsc::Receiver<SubscriptionEvent>,
    listeners: &broadcast::Sender<StreamEvent>,
) {
    let mut batch = Batch::default();
    let mut tick = interval(BATCH_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(event) = received.recv() => match event {
                SubscriptionEvent::Event(body) => batch.add(body),
                SubscriptionEvent::Listening => hub.set_connection(StreamEvent::Listening),
                SubscriptionEvent::Disconnected(reason) => {
                    hub.set_connection(StreamEvent::Disconnected(reason.into()));
                }
            },
            _ = tick.tick(), if !batch.is_empty() => {
                let lines = std::mem::take(&mut batch).into_html();
                // Fails when all listeners have gone.
                let _ = listeners.send(StreamEvent::Events(lines.into()));
            }
            () = listeners.closed() => {
                if hub.close_if_unused() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker() -> Broker {
        Broker::in_process(Vec::new())
    }

    #[tokio::test]
    async fn the_number_of_listeners_is_limited() {
        let (hub, broker) = (Hub::default(), broker());
        let mut listeners: Vec<_> =
            (0..MAX_LISTENERS).map(|_| hub.listen(&broker).unwrap()).collect();
        assert!(hub.listen(&broker).is_none());

        listeners.pop();

        assert!(hub.listen(&broker).is_some());
    }

    #[tokio::test]
    async fn only_a_listener_that_falls_behind_is_disconnected() {
        let (hub, broker) = (Hub::default(), broker());
        let mut slow = hub.listen(&broker).unwrap();
        for _ in 0..=LISTENER_BUFFER {
            hub.set_connection(StreamEvent::Events("<li>".into()));
        }
        let mut quick = hub.listen(&broker).unwrap();
        hub.set_connection(StreamEvent::Listening);

        assert!(matches!(slow.events.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
        assert!(quick.events.recv().await.is_ok());
    }
}
