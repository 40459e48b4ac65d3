//! From the subscription to those who watch.

use tokio::sync::{broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::batch::{Batch, GATHERING};
use super::hub::{Hub, Told};
use super::subscription::{Passed, subscribe};
use crate::bootstrap::Broker;

/// Most events between the subscription and here.
const READ_AHEAD: usize = 1_000;

/// Tells listeners what passes, until the last of them has gone.
pub async fn gather(hub: Hub, broker: Broker, listeners: broadcast::Sender<Told>) {
    let (passed_in, passed) = mpsc::channel(READ_AHEAD);
    tokio::select! {
        () = subscribe(broker, passed_in) => {}
        () = tell(&hub, passed, &listeners) => {}
    }
}

async fn tell(hub: &Hub, mut passed: mpsc::Receiver<Passed>, listeners: &broadcast::Sender<Told>) {
    let mut batch = Batch::default();
    let mut portion = interval(GATHERING);
    portion.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(passed) = passed.recv() => match passed {
                Passed::Event(body) => batch.add(body),
                Passed::Listening => hub.tell_state(Told::Listening),
                Passed::Trouble(reason) => hub.tell_state(Told::Trouble(reason.into())),
            },
            _ = portion.tick(), if !batch.is_empty() => {
                let lines = std::mem::take(&mut batch).into_html();
                // Whoever has gone needs not be told.
                let _ = listeners.send(Told::Events(lines.into()));
            }
            () = listeners.closed() => {
                if hub.is_left() {
                    return;
                }
            }
        }
    }
}
