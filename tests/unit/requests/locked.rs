//! Commands for an order that another transaction has locked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use order_worker::entrypoints::command_client::{CommandClient, SubmitError};
use order_worker::service_layer::StoreError;
use tokio::time::{Instant, sleep};

use super::lane::LaneEnv;
use crate::failing_store::FailingStore;
use crate::support::messages::{With, id, next_status, place};

/// A lane, and a switch that locks order 1.
fn lane(env: &LaneEnv) -> (CommandClient, Arc<AtomicBool>) {
    let locked = Arc::new(AtomicBool::new(false));
    let is_locked = locked.clone();
    let store = FailingStore::new(&env.database, move |needs| {
        let meets = is_locked.load(Relaxed) && needs.order_ids.contains(&id("1"));
        meets.then(|| StoreError::Locked(vec![id("1")]))
    });
    let (client, queue) = CommandClient::channel();
    env.serve_on(store, queue);
    (client, locked)
}

#[tokio::test(start_paused = true)]
async fn a_command_for_a_locked_order_times_out_and_others_do_not() {
    let env = LaneEnv::new();
    let (client, locked) = lane(&env);
    client.handle(place("1")).await.unwrap();
    locked.store(true, Relaxed);

    let began = Instant::now();
    let other = async {
        sleep(Duration::from_secs(1)).await;
        client.handle(place("2")).await.unwrap();
        began.elapsed()
    };
    let (late, others_time) = tokio::join!(client.handle(next_status("1")), other);

    assert_eq!(late, Err(SubmitError::TooLate));
    assert_eq!(began.elapsed().as_secs(), 15);
    assert!(others_time < Duration::from_secs(2), "{others_time:?}");
}

#[tokio::test(start_paused = true)]
async fn commands_of_a_locked_order_take_effect_in_order_after_the_lock() {
    let env = LaneEnv::new();
    let (client, locked) = lane(&env);
    client.handle(place("1")).await.unwrap();
    locked.store(true, Relaxed);

    let unlocked = async {
        sleep(Duration::from_secs(5)).await;
        locked.store(false, Relaxed);
    };
    let first = client.handle(next_status("1").with_id("first"));
    let second = async {
        sleep(Duration::from_secs(2)).await;
        client.handle(next_status("1").with_id("second")).await
    };
    let (first, second, ()) = tokio::join!(first, second, unlocked);

    assert_eq!((first.unwrap().as_str(), second.unwrap().as_str()), ("accepted", "accepted"));
    let history = env.order("1").await.unwrap().history;
    let causes: Vec<_> = history.iter().map(|entry| entry.cause.message_id.as_deref()).collect();
    assert_eq!(causes, [None, Some("first"), Some("second")]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_rejects_commands_of_locked_orders_at_once() {
    let env = LaneEnv::new();
    let (client, locked) = lane(&env);
    client.handle(place("1")).await.unwrap();
    locked.store(true, Relaxed);

    let began = Instant::now();
    let stopped = async {
        sleep(Duration::from_secs(3)).await;
        env.stop.cancel();
    };
    let (waiting, ()) = tokio::join!(client.handle(next_status("1")), stopped);
    let late = client.handle(next_status("1").with_id("late")).await;

    assert_eq!((waiting, late), (Err(SubmitError::Stopping), Err(SubmitError::Stopping)));
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(env.order("1").await.unwrap().history.len(), 1);
    client.handle(place("2")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_command_of_a_locked_order_does_not_take_effect_later() {
    let env = LaneEnv::new();
    let (client, locked) = lane(&env);
    client.handle(place("1")).await.unwrap();
    locked.store(true, Relaxed);
    assert_eq!(client.handle(next_status("1")).await, Err(SubmitError::TooLate));

    locked.store(false, Relaxed);
    sleep(Duration::from_secs(5)).await;

    assert_eq!(env.order("1").await.unwrap().order.version(), 1);
}
