//! An unavailable database, and a worker that stops.

use order_worker::entrypoints::command_client::{CommandClient, SubmitError};
use order_worker::messages::Outcome;
use tokio::time::{Duration, sleep};

use super::lane::LaneEnv;
use crate::support::messages::{With, place, place_without_id};

#[tokio::test(start_paused = true)]
async fn a_timed_out_command_takes_effect_once_however_often_it_is_sent() {
    let env = LaneEnv::new();
    let (client, lane) = env.lane();
    env.database.set_available(false);

    let late = client.handle(place("1").with_id("m")).await;
    let again = client.handle(place("1").with_id("m")).await;
    env.database.set_available(true);
    let at_last = client.handle(place("1").with_id("m")).await;

    assert_eq!((late, again), (Err(SubmitError::TooLate), Err(SubmitError::TooLate)));
    assert!(matches!(at_last, Ok(Outcome::Duplicate(_))), "{at_last:?}");
    drop(client);
    lane.await.unwrap();
    assert_eq!(env.broker.versions(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_disconnects_does_not_cancel_its_command() {
    let env = LaneEnv::new();
    let (client, lane) = env.lane();
    env.database.set_available(false);
    // Long enough for the lane to begin the batch.
    let sent = tokio::time::timeout(Duration::from_secs(1), client.handle(place("1"))).await;
    assert!(sent.is_err());

    env.database.set_available(true);
    drop(client);
    lane.await.unwrap();

    assert!(env.order("1").await.is_some());
    assert_eq!(env.broker.versions(), [1]);
}

#[tokio::test(start_paused = true)]
async fn the_lane_ends_after_its_last_client_when_all_events_are_published() {
    let env = LaneEnv::with_a_held_broker();
    let (client, mut lane) = env.lane();
    client.handle(place_without_id()).await.unwrap();

    drop(client);
    assert!(tokio::time::timeout(Duration::from_secs(60), &mut lane).await.is_err());
    env.broker.release();
    lane.await.unwrap();

    assert_eq!(env.broker.versions(), [1]);
    assert_eq!(env.outbox().await, []);
    assert!(env.in_flight.snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_lane_lives_while_there_is_a_client() {
    let env = LaneEnv::new();
    let (client, _lane) = env.lane();
    let other = client.clone();

    drop(client);
    sleep(Duration::from_secs(60)).await;

    assert!(other.handle(place("1")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn waiting_clients_get_an_error_when_the_lane_ends() {
    let env = LaneEnv::new();
    let (client, lane) = env.lane();
    env.database.set_available(false);
    let waits = client.clone();
    let waiting = tokio::spawn(async move { waits.handle(place("1")).await });
    sleep(Duration::from_secs(1)).await;

    lane.abort();

    assert_eq!(waiting.await.unwrap(), Err(SubmitError::Stopping));
    assert_eq!(client.handle(place("2")).await, Err(SubmitError::Stopping));
    let (without_a_lane, _) = CommandClient::channel();
    assert_eq!(without_a_lane.handle(place("2")).await, Err(SubmitError::Stopping));
}
