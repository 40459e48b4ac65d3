//! Events of HTTP commands, along with those of the queue lanes and the relay.

use order_worker::messages::OutboxMessage;
use order_worker::service_layer::PublishResult;
use tokio::time::{Duration, Instant, sleep};

use super::lane::{LaneEnv, one_by_one};
use crate::support::messages::{next_status, place};

/// More commands than the lane's publisher has room for their events.
const MANY: usize = 10;
const ROOM_FOR_A_FEW: usize = 5_000;

fn versions(outgoing: &[OutboxMessage]) -> Vec<i32> {
    outgoing.iter().map(|it| it.key.version).collect()
}

#[tokio::test(start_paused = true)]
async fn events_are_published_in_the_order_of_their_commits_and_leave_the_outbox() {
    let env = LaneEnv::new();
    let (client, _lane) = env.lane();

    one_by_one(&client, [place("1"), next_status("1"), next_status("1")]).await;
    sleep(Duration::from_secs(1)).await;

    assert_eq!(env.broker.versions(), [1, 2, 3]);
    assert_eq!(env.outbox().await, []);
    assert!(env.in_flight.snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn events_beyond_the_memory_limit_are_left_to_the_relay_in_version_order() {
    let env = LaneEnv { max_waiting_bytes: ROOM_FOR_A_FEW, ..LaneEnv::with_a_held_broker() };
    let (client, lane) = env.lane();
    client.handle(place("1")).await.unwrap();
    for _ in 1..MANY {
        // Back and forth: there are not enough statuses.
        let status = order_worker::domain::Status::Received;
        let to = crate::support::messages::set_status("1", status);
        client.handle(next_status("1")).await.unwrap();
        client.handle(to).await.unwrap();
    }
    let given_out = env.in_flight.snapshot().len();
    let all = env.outbox().await.len();
    assert!(0 < given_out && given_out < all, "{given_out} of {all}");

    env.broker.release();
    drop(client);
    lane.await.unwrap();
    env.relay().publish_waiting(Instant::now()).await.unwrap();

    assert_eq!(env.broker.versions(), (1..=all as u64).collect::<Vec<_>>());
    assert_eq!(env.outbox().await, []);
}

#[tokio::test(start_paused = true)]
async fn many_requests_during_slow_confirms_leave_nothing_to_the_relay() {
    let env = LaneEnv::with_a_held_broker();
    let (client, lane) = env.lane();
    for n in 0..100 {
        client.handle(place(&n.to_string())).await.unwrap();
    }
    assert_eq!(env.in_flight.snapshot().len(), 100);

    env.broker.release();
    drop(client);
    lane.await.unwrap();

    assert_eq!(env.broker.versions().len(), 100);
    assert_eq!(env.outbox().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_newer_event_of_a_queue_lane_does_not_overtake_one_of_http() {
    let env = LaneEnv::with_a_held_broker();
    let (client, _lane) = env.lane();
    client.handle(place("1")).await.unwrap();

    let handled = env.bus_of_queue_lane().handle_batch(&[next_status("1")]).await;

    // A copy of version 1 goes first, as the other lane may publish it later.
    assert_eq!(versions(&handled.to_publish), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_event_of_http_does_not_overtake_one_of_a_queue_lane() {
    let env = LaneEnv::new();
    let (client, _lane) = env.lane();
    let given_out = env.bus_of_queue_lane().handle_batch(&[place("1")]).await.to_publish;
    assert_eq!(versions(&given_out), [1]);

    client.handle(next_status("1")).await.unwrap();
    sleep(Duration::from_secs(1)).await;

    assert_eq!(env.broker.versions(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_does_not_republish_its_own_events_in_flight() {
    let env = LaneEnv::with_a_held_broker();
    let (client, lane) = env.lane();

    one_by_one(&client, [place("1"), next_status("1"), next_status("1")]).await;
    env.broker.release();
    drop(client);
    lane.await.unwrap();

    assert_eq!(env.broker.versions(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_relay_skips_events_that_any_lane_is_publishing() {
    let env = LaneEnv::with_a_held_broker();
    let (client, _lane) = env.lane();
    client.handle(place("1")).await.unwrap();
    let mut bus = env.bus_of_queue_lane();
    let of_the_queue = bus.handle_batch(&[place("2")]).await.to_publish;

    let relayed = env.relay().publish_waiting(Instant::now()).await.unwrap().published;
    assert_eq!((relayed, env.in_flight.snapshot().len()), (0, 2));

    // The relay takes over what the queue lane gives up, and leaves the HTTP lane's event.
    let kept = vec![of_the_queue[0].key.clone()];
    bus.record_result(PublishResult { kept, ..PublishResult::default() });
    env.broker.release();
    let relayed = env.relay().publish_waiting(Instant::now()).await.unwrap().published;
    assert_eq!(relayed, 1);
}
