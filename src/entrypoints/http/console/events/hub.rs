//! All who watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::batch::{Batch, GATHERING};
use super::subscription::{Passed, subscribe};
use crate::bootstrap::Broker;

/// Most who watch at a time.
const MAX_LISTENERS: usize = 50;

/// Most events between the subscription and here.
const READ_AHEAD: usize = 1_000;

/// Portions that may wait for a listener; one that is slower is cut off.
const PORTIONS: usize = 16;

/// What listeners are told.
#[derive(Debug, Clone)]
pub enum StreamEvent {
    /// The subscription is about to be opened.
    Connecting,
    /// Events come from now on.
    Listening,
    /// None come for a while.
    Trouble(Arc<str>),
    /// Lines of events, as HTML.
    Events(Arc<str>),
}

/// Tells events to whoever listens; clones share the listeners.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    now: Mutex<Now>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Now {
    /// There while somebody listens.
    listeners: Option<broadcast::Sender<StreamEvent>>,
    /// What a new listener is told first.
    state: StreamEvent,
}

/// Somebody who watches.
#[derive(Debug)]
pub struct Listener {
    pub state: StreamEvent,
    pub told: broadcast::Receiver<StreamEvent>,
    _place: OwnedSemaphorePermit,
}

impl Default for Hub {
    fn default() -> Self {
        Self(Arc::new(Parts {
            now: Mutex::new(Now { listeners: None, state: StreamEvent::Connecting }),
            places: Arc::new(Semaphore::new(MAX_LISTENERS)),
        }))
    }
}

impl Hub {
    /// Listens from now on; the first listener opens the subscription. None when there is no place
    /// for one more.
    pub fn listen(&self, broker: &Broker) -> Option<Listener> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        let mut now = self.lock();
        let told = if let Some(listeners) = &now.listeners {
            listeners.subscribe()
        } else {
            let (listeners, told) = broadcast::channel(PORTIONS);
            *now = Now { listeners: Some(listeners.clone()), state: StreamEvent::Connecting };
            tokio::spawn(gather(self.clone(), broker.clone(), listeners));
            told
        };
        let state = now.state.clone();
        Some(Listener { state, told, _place: place })
    }

    /// Tells it also to whoever comes later.
    fn tell_state(&self, state: StreamEvent) {
        let mut now = self.lock();
        now.state = state.clone();
        if let Some(listeners) = &now.listeners {
            // Whoever has gone needs not be told.
            let _ = listeners.send(state);
        }
    }

    /// Whether nobody listens; from then on the next listener opens a new subscription.
    fn is_left(&self) -> bool {
        let mut now = self.lock();
        let is_left = now.listeners.as_ref().is_none_or(|it| it.receiver_count() == 0);
        if is_left {
            now.listeners = None;
        }
        is_left
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells listeners what passes, until the last of them has gone.
async fn gather(hub: Hub, broker: Broker, listeners: broadcast::Sender<StreamEvent>) {
    let (passed_in, passed) = mpsc::channel(READ_AHEAD);
    tokio::select! {
        () = subscribe(broker, passed_in) => {}
        () = tell(&hub, passed, &listeners) => {}
    }
}

async fn tell(
    hub: &Hub,
    mut passed: mpsc::Receiver<Passed>,
    listeners: &broadcast::Sender<StreamEvent>,
) {
    let mut batch = Batch::default();
    let mut portion = interval(GATHERING);
    portion.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(passed) = passed.recv() => match passed {
                Passed::Event(body) => batch.add(body),
                Passed::Listening => hub.tell_state(StreamEvent::Listening),
                Passed::Trouble(reason) => hub.tell_state(StreamEvent::Trouble(reason.into())),
            },
            _ = portion.tick(), if !batch.is_empty() => {
                let lines = std::mem::take(&mut batch).into_html();
                // Whoever has gone needs not be told.
                let _ = listeners.send(StreamEvent::Events(lines.into()));
            }
            () = listeners.closed() => {
                if hub.is_left() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::in_process::InProcessBroker;

    fn broker() -> Broker {
        Broker::InProcess(InProcessBroker::new(Vec::new()))
    }

    #[tokio::test]
    async fn there_are_only_so_many_places() {
        let (hub, broker) = (Hub::default(), broker());
        let mut listeners: Vec<_> =
            (0..MAX_LISTENERS).map(|_| hub.listen(&broker).unwrap()).collect();
        assert!(hub.listen(&broker).is_none());

        listeners.pop();

        assert!(hub.listen(&broker).is_some());
    }

    #[tokio::test]
    async fn a_slow_listener_is_cut_off_and_the_others_are_not() {
        let (hub, broker) = (Hub::default(), broker());
        let mut slow = hub.listen(&broker).unwrap();
        for _ in 0..=PORTIONS {
            hub.tell_state(StreamEvent::Events("<li>".into()));
        }
        let mut quick = hub.listen(&broker).unwrap();
        hub.tell_state(StreamEvent::Listening);

        assert!(matches!(slow.told.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
        assert!(quick.told.recv().await.is_ok());
    }
}
