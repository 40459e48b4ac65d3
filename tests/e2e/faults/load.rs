//! Load: duplicates, several workers, large messages, and a busy CPU.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lapin::BasicProperties;

use super::hostile::publish_large_orders;
use crate::amqp_client::{AmqpClient, orders, padded, place_without_id};
use crate::test_env::{PATIENT_RELAY, TestEnv, logged, variable};
use crate::workload::{
    Copies, assert_consistent, assert_processes_new_orders, publish, subscribe, subscriber_of,
};

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn five_copies_of_each_message_at_two_workers_take_effect_once() {
    let env = TestEnv::new().await.with("ORDERED", "false");
    env.prepare();
    subscribe(&env);
    let amqp = AmqpClient::on(&env).await;
    for n in 0..500 {
        let with_id = BasicProperties::default().with_message_id(format!("p-{}", n / 5).into());
        amqp.send("order.place", place_without_id().as_bytes(), with_id).await;
    }

    // A small prefetch, so that both workers get copies of each message.
    let options = ["--prefetch", "7", "--batch-max", "5", PATIENT_RELAY];
    let workers = [env.spawn_worker_with(&options), env.spawn_worker_with(&options)];

    let got = env.python_client(&["events", &subscriber_of(&env), "100"]);
    let queue = env.name_of("COMMANDS_QUEUE");
    amqp.wait_for_depth(&queue, 0).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(amqp.depth(&queue).await, 0, "all copies are acknowledged");
    assert_eq!(got.lines().count(), 100, "each event comes once");
    for table in ["orders", "order_history", "handled_messages"] {
        assert_eq!(env.count(table).await, 100, "{table}");
    }
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn two_workers_that_start_on_one_outbox_publish_each_event_once() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    env.execute(
        "insert into outbox (order_id, version, event_id, kind, routing_key, body)
             select n::text, 1, id, 1, 'order.status.received',
                    json_build_object('event_id', id, 'type', 'OrderStatusChanged')::text
             from (select n, gen_random_uuid() as id from generate_series(1, 2000) as n) as rows",
    )
    .await;

    let workers = [env.spawn_worker(), env.spawn_worker()];

    env.wait_for_count("outbox", 0).await;
    let got = env.python_client(&["events", &subscriber_of(&env), "2000"]);
    assert_eq!(got.lines().count(), 2_000);
    assert_processes_new_orders(&env).await;
    for worker in workers {
        worker.stop().await;
    }
    env.remove().await;
}

/// The heartbeat is shorter than the longest wait for memory.
#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_full_memory_limit_costs_no_connection_with_a_short_heartbeat() {
    let amqp_url = variable("AMQP_URL");
    let separator = if amqp_url.contains('?') { '&' } else { '?' };
    let amqp_url = format!("{amqp_url}{separator}heartbeat=2");
    let env = TestEnv::at_addresses(&amqp_url, &variable("DATABASE_URL")).await;
    env.prepare();
    publish_large_orders(&env, 100).await;
    let mut session = env.database_session().await;
    sqlx::raw_sql("begin; lock table orders").execute(&mut session).await.unwrap();

    // Memory for five of them.
    let worker = env.start_worker_with(&["--max-in-flight-bytes=1048576"]).await;

    worker.wait_for_log("are requeued").await;
    sqlx::raw_sql("rollback").execute(&mut session).await.unwrap();
    env.wait_for_count("orders", 100).await;
    assert!(!worker.log().contains(logged::CONSUMING_STOPPED), "{}", worker.log());
    worker.stop().await;
    env.remove().await;
}

/// Threads that keep the CPU busy until this is dropped.
struct BusyLoops(Arc<AtomicBool>);

impl BusyLoops {
    fn start(count: usize) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        for _ in 0..count {
            let goes_on = goes_on.clone();
            thread::spawn(move || while goes_on.load(Ordering::Relaxed) {});
        }
        Self(goes_on)
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_busy_cpu_makes_the_worker_slow_but_causes_no_errors() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let expected = publish(&env, "51", 1_000);

    let busy_loops = BusyLoops::start(4 * thread::available_parallelism().unwrap().get());
    let worker = env.spawn_worker_with(&[PATIENT_RELAY]);

    assert_consistent(&env, &expected, Copies::One).await;
    drop(busy_loops);
    let log = worker.stop_and_read_log().await;
    assert!(!logged::OUTAGES.iter().any(|outage| log.contains(outage)), "{log}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_prefetch_bounds_the_memory_under_a_flood_of_large_messages() {
    let env = TestEnv::new().await;
    env.prepare();
    let amqp = AmqpClient::on(&env).await;
    for order in orders(0..1_000) {
        let body = padded(&order, 200 * 1024);
        amqp.send("order.place", body.as_bytes(), BasicProperties::default()).await;
    }

    let worker = env.start_worker_with(&["--prefetch", "20"]).await;

    env.wait_for_count("orders", 1_000).await;
    let peak = worker.peak_memory_mib();
    assert!(peak < 96, "{peak} MiB with a prefetch of 20 of 195 MiB in 1,000 messages");
    worker.stop().await;
    env.remove().await;
}
