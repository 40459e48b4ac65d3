//! Long runs of messages, with and without crashes.

use crate::amqp_client::{self, place};
use crate::test_env::{PATIENT_RELAY, TestEnv, eventually};
use crate::workload::{Copies, Expected, assert_adds_up, publish, subscribe, subscriber_of};

/// For a worker that is not to be done before the test has noticed that it works.
const SMALL_STEPS: [&str; 4] = ["--batch-max", "20", "--prefetch", "100"];

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn ten_thousand_messages_of_a_foreign_client_add_up() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;
    subscribe(&env);

    let expected = publish(&env, "1", 10_000);

    assert_adds_up(&env, &expected, Copies::One).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn five_kills_lose_nothing_and_double_nothing() {
    let env = TestEnv::new().await;
    env.start_worker().await.stop().await;
    subscribe(&env);
    let mut expected = Expected::default();

    for kill in 1..=5 {
        // Enough for this round, however much the one before has left.
        expected = expected.and(publish(&env, &format!("2{kill}"), 2_000));
        let worker = env.spawn_worker_with(&SMALL_STEPS);
        let some_more = env.count("handled_messages").await + 500;
        eventually("some hundred messages more are handled", || async {
            env.count("handled_messages").await >= some_more
        })
        .await;
        worker.kill();
        let handled = env.count("handled_messages").await;
        assert!(handled < expected.intents(), "kill {kill} came too late, after {handled}");
    }

    let worker = env.start_worker().await;
    assert_adds_up(&env, &expected, Copies::More).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_that_is_told_to_stop_finishes_what_it_began() {
    let env = TestEnv::new().await;
    env.start_worker().await.stop().await;
    subscribe(&env);
    let expected = publish(&env, "3", 6_000);

    let worker = env.spawn_worker_with(&[&SMALL_STEPS[..], &[PATIENT_RELAY]].concat());
    eventually("the worker is at work", || async { env.count("handled_messages").await > 0 }).await;
    let log = worker.stopped().await;

    // In good order: whatever is committed is published and gone from the outbox, and the broker has
    // every acknowledgement.
    assert!(!log.contains("cannot be consumed"), "{log}");
    assert_eq!(env.count("outbox").await, 0);
    assert!(env.count("handled_messages").await < expected.intents());
    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;
    assert_adds_up(&env, &expected, Copies::One).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn two_workers_on_one_queue_share_the_work_and_double_nothing() {
    let env = TestEnv::new().await;
    let workers = [env.start_worker().await, env.spawn_worker()];
    subscribe(&env);

    // Placing only: moves of one order have no order across workers.
    let commands: Vec<String> = (0..3_000).map(|n| place(&n.to_string())).collect();
    amqp_client::publish(&env, &commands).await;

    eventually("all orders are placed", || async { env.count("orders").await == 3_000 }).await;
    eventually("the outbox is empty", || async { env.count("outbox").await == 0 }).await;
    assert_eq!(env.count("order_history").await, 3_000);
    for worker in workers {
        worker.stop().await;
    }
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn what_a_crash_left_in_the_outbox_is_published_at_start() {
    let env = TestEnv::new().await;
    env.start_worker().await.stop().await;
    subscribe(&env);
    // As after a crash between commit and publishing.
    let event_id = uuid::Uuid::now_v7();
    env.execute(&format!(
        "insert into outbox (order_id, version, event_id, kind, routing_key, body)
             values ('7', 1, '{event_id}', 1, 'order.status.received',
                     '{{\"event_id\": \"{event_id}\", \"type\": \"OrderStatusChanged\"}}')"
    ))
    .await;

    let worker = env.start_worker().await;

    eventually("the outbox is empty", || async { env.count("outbox").await == 0 }).await;
    let got = env.foreign_client(&["events", &subscriber_of(&env), "1"]);
    assert!(got.contains(&event_id.to_string()), "{got}");
    worker.stop().await;
    env.remove().await;
}
