//! Long runs of messages, with and without crashes.

use crate::shop::{self, place};
use crate::story::{Copies, Expected, assert_adds_up, publish, subscribe, subscriber_of};
use crate::surroundings::{PATIENT_RELAY, Surroundings, eventually};

/// For a worker that is not to be done before the test has noticed that it works.
const SMALL_STEPS: [&str; 4] = ["--batch-max", "20", "--prefetch", "100"];

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn ten_thousand_messages_of_a_foreign_client_add_up() {
    let surroundings = Surroundings::new().await;
    let worker = surroundings.start_worker_with(&[PATIENT_RELAY]).await;
    subscribe(&surroundings);

    let expected = publish(&surroundings, "1", 10_000);

    assert_adds_up(&surroundings, &expected, Copies::One).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn five_kills_lose_nothing_and_double_nothing() {
    let surroundings = Surroundings::new().await;
    surroundings.start_worker().await.stop().await;
    subscribe(&surroundings);
    let mut expected = Expected::default();

    for kill in 1..=5 {
        // Enough for this round, however much the one before has left.
        expected = expected.and(publish(&surroundings, &format!("2{kill}"), 2_000));
        let worker = surroundings.spawn_worker_with(&SMALL_STEPS);
        let some_more = surroundings.count("handled_messages").await + 500;
        eventually("some hundred messages more are handled", || async {
            surroundings.count("handled_messages").await >= some_more
        })
        .await;
        worker.kill();
        let handled = surroundings.count("handled_messages").await;
        assert!(handled < expected.intents(), "kill {kill} came too late, after {handled}");
    }

    let worker = surroundings.start_worker().await;
    assert_adds_up(&surroundings, &expected, Copies::More).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_that_is_told_to_stop_finishes_what_it_began() {
    let surroundings = Surroundings::new().await;
    surroundings.start_worker().await.stop().await;
    subscribe(&surroundings);
    let expected = publish(&surroundings, "3", 6_000);

    let worker = surroundings.spawn_worker_with(&[&SMALL_STEPS[..], &[PATIENT_RELAY]].concat());
    eventually("the worker is at work", || async {
        surroundings.count("handled_messages").await > 0
    })
    .await;
    let log = worker.stopped().await;

    // In good order: whatever is committed is published and gone from the outbox, and the broker has
    // every acknowledgement.
    assert!(!log.contains("cannot be consumed"), "{log}");
    assert_eq!(surroundings.count("outbox").await, 0);
    assert!(surroundings.count("handled_messages").await < expected.intents());
    let worker = surroundings.start_worker_with(&[PATIENT_RELAY]).await;
    assert_adds_up(&surroundings, &expected, Copies::One).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn two_workers_on_one_queue_share_the_work_and_double_nothing() {
    let surroundings = Surroundings::new().await;
    let workers = [surroundings.start_worker().await, surroundings.spawn_worker()];
    subscribe(&surroundings);

    // Placing only: moves of one order have no order across workers.
    let commands: Vec<String> = (0..3_000).map(|n| place(&n.to_string())).collect();
    shop::publish(&surroundings, &commands).await;

    eventually("all orders are placed", || async { surroundings.count("orders").await == 3_000 })
        .await;
    eventually("the outbox is empty", || async { surroundings.count("outbox").await == 0 }).await;
    assert_eq!(surroundings.count("order_history").await, 3_000);
    for worker in workers {
        worker.stop().await;
    }
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn what_a_crash_left_in_the_outbox_is_published_at_start() {
    let surroundings = Surroundings::new().await;
    surroundings.start_worker().await.stop().await;
    subscribe(&surroundings);
    // As after a crash between commit and publishing.
    let event_id = uuid::Uuid::now_v7();
    surroundings
        .execute(&format!(
            "insert into outbox (order_id, version, event_id, kind, routing_key, body)
             values ('7', 1, '{event_id}', 1, 'order.status.received',
                     '{{\"event_id\": \"{event_id}\", \"type\": \"OrderStatusChanged\"}}')"
        ))
        .await;

    let worker = surroundings.start_worker().await;

    eventually("the outbox is empty", || async { surroundings.count("outbox").await == 0 }).await;
    let got = surroundings.foreign_client(&["events", &subscriber_of(&surroundings), "1"]);
    assert!(got.contains(&event_id.to_string()), "{got}");
    worker.stop().await;
    surroundings.remove().await;
}
