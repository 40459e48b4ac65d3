//! Long backlogs, with and without crashes.

use crate::amqp_client::{orders, publish_orders};
use crate::test_env::{PATIENT_RELAY, TestEnv, eventually, logged};
use crate::workload::{Copies, Expected, assert_consistent, publish, subscribe, subscriber_of};

/// Slows the worker down, so that the test can interrupt it in the middle of the backlog.
const SMALL_STEPS: [&str; 4] = ["--batch-max", "20", "--prefetch", "100"];

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn ten_thousand_messages_of_a_python_client_have_the_expected_results() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;
    subscribe(&env);

    let expected = publish(&env, "1", 10_000);

    assert_consistent(&env, &expected, Copies::One).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn five_kills_lose_nothing_and_duplicate_nothing() {
    let env = TestEnv::new().await;
    env.start_worker().await.stop().await;
    subscribe(&env);
    let mut expected = Expected::default();

    for kill in 1..=5 {
        // Enough for this round, whatever is left of the previous one.
        expected = expected.and(publish(&env, &format!("2{kill}"), 2_000));
        let worker = env.spawn_worker_with(&SMALL_STEPS);
        let enough = env.count("handled_messages").await + 500;
        eventually("500 more messages are handled", || async {
            env.count("handled_messages").await >= enough
        })
        .await;
        worker.kill();
        let handled = env.count("handled_messages").await;
        assert!(handled < expected.intents(), "kill {kill} came too late, after {handled}");
    }

    let worker = env.start_worker().await;
    assert_consistent(&env, &expected, Copies::Any).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn sigterm_finishes_deliveries_in_flight_and_returns_the_rest() {
    let env = TestEnv::new().await;
    env.start_worker().await.stop().await;
    subscribe(&env);
    let expected = publish(&env, "3", 6_000);

    let worker = env.spawn_worker_with(&[&SMALL_STEPS[..], &[PATIENT_RELAY]].concat());
    eventually("messages are handled", || async { env.count("handled_messages").await > 0 }).await;
    let log = worker.stop_and_read_log().await;

    // A clean stop: all committed events are published and deleted from the outbox, and the broker has
    // all acknowledgements.
    assert!(!log.contains(logged::CONSUMING_STOPPED), "{log}");
    assert_eq!(env.count("outbox").await, 0);
    assert!(env.count("handled_messages").await < expected.intents());
    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;
    assert_consistent(&env, &expected, Copies::One).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn two_workers_on_one_queue_share_the_work_and_duplicate_nothing() {
    let env = TestEnv::new().await.with("ORDERED", "false");
    let workers = [env.start_worker().await, env.spawn_worker()];
    subscribe(&env);

    // PlaceOrder only: two workers may reorder the changes of one order.
    publish_orders(&env, &orders(0..3_000)).await;

    env.wait_for_count("orders", 3_000).await;
    env.wait_for_count("outbox", 0).await;
    assert_eq!(env.count("order_history").await, 3_000);
    for worker in workers {
        worker.stop().await;
    }
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn events_left_in_the_outbox_by_a_crash_are_published_at_start() {
    let env = TestEnv::new().await;
    env.start_worker().await.stop().await;
    subscribe(&env);
    // As after a crash between commit and publish.
    let event_id = uuid::Uuid::now_v7();
    env.execute(&format!(
        "insert into outbox (order_id, version, event_id, kind, routing_key, body)
             values ('7', 1, '{event_id}', 1, 'order.status.received',
                     '{{\"event_id\": \"{event_id}\", \"type\": \"OrderStatusChanged\"}}')"
    ))
    .await;

    let worker = env.start_worker().await;

    env.wait_for_count("outbox", 0).await;
    let got = env.python_client(&["events", &subscriber_of(&env), "1"]);
    assert!(got.contains(&event_id.to_string()), "{got}");
    worker.stop().await;
    env.remove().await;
}
