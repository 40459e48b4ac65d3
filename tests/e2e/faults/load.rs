//! More of everything than is good: copies, workers, bytes, and others that want the processor.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lapin::BasicProperties;

use crate::amqp_client::{AmqpClient, place, place_without_id, publish as publish_orders};
use crate::test_env::{PATIENT_RELAY, TestEnv, eventually, variable};
use crate::workload::{Copies, assert_adds_up, assert_goes_on, publish, subscribe, subscriber_of};

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn five_copies_of_each_message_at_two_workers_take_effect_once() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let amqp = AmqpClient::on(&env).await;
    for n in 0..500 {
        let with_id = BasicProperties::default().with_message_id(format!("p-{}", n / 5).into());
        amqp.send("order.place", place_without_id().as_bytes(), with_id).await;
    }

    // Small hands, so that both of them get some of each.
    let options = ["--prefetch", "7", "--batch-max", "5", PATIENT_RELAY];
    let workers = [env.spawn_worker_with(&options), env.spawn_worker_with(&options)];

    let got = env.foreign_client(&["events", &subscriber_of(&env), "100"]);
    let queue = env.name_of("COMMANDS_QUEUE");
    eventually("all copies are taken", || async { amqp.depth(&queue).await == 0 }).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(amqp.depth(&queue).await, 0, "all copies are done with");
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

    eventually("the outbox is empty", || async { env.count("outbox").await == 0 }).await;
    let got = env.foreign_client(&["events", &subscriber_of(&env), "2000"]);
    assert_eq!(got.lines().count(), 2_000);
    assert_goes_on(&env).await;
    for worker in workers {
        worker.stop().await;
    }
    env.remove().await;
}

/// A heartbeat shorter than the longest pause that memory makes.
#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn messages_that_wait_for_memory_cost_no_connection_with_a_short_heartbeat() {
    let amqp_url = variable("AMQP_URL");
    let separator = if amqp_url.contains('?') { '&' } else { '?' };
    let amqp_url = format!("{amqp_url}{separator}heartbeat=2");
    let env = TestEnv::at_addresses(&amqp_url, &variable("DATABASE_URL")).await;
    env.prepare();
    let padding = format!("{{\"padding\": \"{}\",", "x".repeat(100 * 1024));
    let orders: Vec<String> =
        (0..100).map(|n| place(&n.to_string()).replacen('{', &padding, 1)).collect();
    publish_orders(&env, &orders).await;
    let mut session = env.foreign_session().await;
    sqlx::raw_sql("begin; lock table orders").execute(&mut session).await.unwrap();

    // Room for five of them.
    let worker = env.start_worker_with(&["--max-in-flight-bytes=1048576"]).await;

    eventually("the rest is given up", || async { worker.log().contains("are requeued") }).await;
    sqlx::raw_sql("rollback").execute(&mut session).await.unwrap();
    eventually("all are placed", || async { env.count("orders").await == 100 }).await;
    assert!(!worker.log().contains("cannot be consumed"), "{}", worker.log());
    worker.stop().await;
    env.remove().await;
}

/// Threads that want all of the processor; they end when this is dropped.
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
async fn a_worker_without_much_of_the_processor_is_slow_and_nothing_else() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let expected = publish(&env, "51", 1_000);

    let busy_loops = BusyLoops::start(4 * thread::available_parallelism().unwrap().get());
    let worker = env.spawn_worker_with(&[PATIENT_RELAY]);

    assert_adds_up(&env, &expected, Copies::One).await;
    drop(busy_loops);
    let log = worker.stopped().await;
    assert!(!log.contains("trouble") && !log.contains("cannot be"), "{log}");
    env.remove().await;
}

/// The most memory that a process ever had, in MiB.
fn peak_memory_mib(process_id: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process_id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_prefetch_bounds_the_memory_under_a_flood_of_large_messages() {
    let env = TestEnv::new().await;
    env.prepare();
    let amqp = AmqpClient::on(&env).await;
    let padding = "x".repeat(200 * 1024);
    for n in 0..1_000 {
        let body =
            place(&n.to_string()).replacen('{', &format!("{{\"padding\": \"{padding}\","), 1);
        amqp.send("order.place", body.as_bytes(), BasicProperties::default()).await;
    }

    let worker = env.start_worker_with(&["--prefetch", "20"]).await;

    eventually("all are placed", || async { env.count("orders").await == 1_000 }).await;
    let peak = peak_memory_mib(worker.process_id());
    assert!(peak < 96, "{peak} MiB for 20 of 1,000 messages, which are 195 MiB");
    worker.stop().await;
    env.remove().await;
}
