//! Queues for replies, events and dead letters that accept nothing. They must not hold up the orders of
//! other publishers.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;

use crate::amqp_client::{AmqpClient, orders, place, publish_orders};
use crate::http_api::{Client, Request};
use crate::outages::{control, controlled_broker};
use crate::test_env::{PATIENT_RELAY, TestEnv, Worker, eventually, logged, variable};
use crate::workload::{assert_processes_new_orders, subscribe, subscriber_of};

const ORDERS: usize = 200;

impl AmqpClient {
    /// Places orders with a `reply_to`.
    async fn place_with_reply(&self, orders: std::ops::Range<usize>, reply_to: &str) {
        for n in orders {
            let properties = BasicProperties::default().with_reply_to(reply_to.into());
            let body = place(&format!("with-reply-{n}"));
            self.send("order.place", body.as_bytes(), properties).await;
        }
    }
}

/// A queue whose Erlang process is suspended until this is dropped, so that it confirms nothing.
struct SuspendedQueue<'a> {
    ctl: &'a str,
    queue: &'a str,
}

impl<'a> SuspendedQueue<'a> {
    fn new(ctl: &'a str, queue: &'a str) -> Self {
        let suspended = Self { ctl, queue };
        suspended.call("suspend");
        suspended
    }

    fn call(&self, function: &str) {
        let code = format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, queue, <<\"{}\">>)), \
             sys:{function}(amqqueue:get_pid(Q)).",
            self.queue
        );
        control(self.ctl, "rabbitmq", &["ctl", "-q", "eval", &code]);
    }
}

impl Drop for SuspendedQueue<'_> {
    fn drop(&mut self) {
        self.call("resume");
    }
}

/// A `max_message_size` of 4 KiB, until this is dropped: the broker closes a channel on a larger body.
struct LoweredMessageSize<'a> {
    ctl: &'a str,
    before: String,
}

impl<'a> LoweredMessageSize<'a> {
    fn new(ctl: &'a str) -> Self {
        let before =
            evaluate(ctl, "{ok, Bytes} = application:get_env(rabbit, max_message_size), Bytes.");
        let lowered = Self { ctl, before: before.trim().to_owned() };
        lowered.set_max_message_size("4096");
        lowered
    }

    fn set_max_message_size(&self, bytes: &str) {
        // RabbitMQ 3 reads the setting, RabbitMQ 4 a copy of it.
        evaluate(
            self.ctl,
            &format!(
                "application:set_env(rabbit, max_message_size, {bytes}),
                 persistent_term:put(max_message_size, {bytes})."
            ),
        );
    }
}

impl Drop for LoweredMessageSize<'_> {
    fn drop(&mut self) {
        self.set_max_message_size(&self.before);
    }
}

/// Runs Erlang code in the broker; returns what it prints.
fn evaluate(ctl: &str, code: &str) -> String {
    control(ctl, "rabbitmq", &["ctl", "-q", "eval", code])
}

async fn env_with_subscriber() -> TestEnv {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    env
}

async fn stop_quickly(worker: Worker) {
    let began = Instant::now();
    worker.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10), "stopped after {:?}", began.elapsed());
}

/// Waits until this many distinct events have come.
async fn read_events_within(amqp: &AmqpClient, queue: &str, count: usize, limit: Duration) {
    let began = Instant::now();
    amqp.read_distinct(queue, count).await;
    assert!(began.elapsed() < limit, "{count} events after {:?}", began.elapsed());
}

async fn replies_to_a_full_queue(count: usize) {
    let env = env_with_subscriber().await;
    let amqp = AmqpClient::on(&env).await;
    let full = format!("{}.full", env.name_of("COMMANDS_QUEUE"));
    amqp.declare_small_queue(&full, 0).await;
    amqp.place_with_reply(0..count, &full).await;
    publish_orders(&env, &orders(0..ORDERS)).await;

    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;

    let subscriber = subscriber_of(&env);
    read_events_within(&amqp, &subscriber, count + ORDERS, Duration::from_secs(20)).await;
    env.wait_for_count("outbox", 0).await;
    amqp.place_with_reply(count..2 * count, &full).await;
    env.wait_for_count("orders", 2 * count + ORDERS).await;
    stop_quickly(worker).await;
    amqp.delete_queue(&full).await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn two_replies_to_a_full_queue_delay_no_orders() {
    replies_to_a_full_queue(2).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_thousand_replies_to_a_full_queue_delay_no_orders() {
    replies_to_a_full_queue(1_000).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_thousand_replies_to_a_queue_that_never_confirms_delay_no_orders() {
    let Some(ctl) = controlled_broker() else { return };
    let env = env_with_subscriber().await;
    let amqp = AmqpClient::on(&env).await;
    let silent = format!("{}.silent", env.name_of("COMMANDS_QUEUE"));
    amqp.declare_small_queue(&silent, 100_000).await;
    amqp.place_with_reply(0..1_000, &silent).await;
    publish_orders(&env, &orders(0..ORDERS)).await;
    let suspended = SuspendedQueue::new(&ctl, &silent);

    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;

    let subscriber = subscriber_of(&env);
    read_events_within(&amqp, &subscriber, 1_000 + ORDERS, Duration::from_secs(20)).await;
    env.wait_for_count("outbox", 0).await;
    let replies = amqp.queue_for_replies().await;
    amqp.place_with_reply(1_000..1_001, &replies).await;
    assert_eq!(amqp.next_of(&replies).await.json()["outcome"], "accepted");
    stop_quickly(worker).await;
    drop(suspended);
    amqp.delete_queue(&silent).await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_reply_never_goes_to_a_queue_of_the_worker() {
    let env = env_with_subscriber().await;
    let amqp = AmqpClient::on(&env).await;
    let worker = env.start_worker().await;
    let own = ["COMMANDS_QUEUE", "DEAD_LETTER_QUEUE"].map(|name| env.name_of(name));

    for (n, reply_to) in own.iter().chain([&format!("{}.retry.1", own[0])]).enumerate() {
        amqp.place_with_reply(n..n + 1, reply_to).await;
    }

    eventually("the orders are placed and the outbox is empty", || async {
        env.count("orders").await == 3 && env.count("outbox").await == 0
    })
    .await;
    assert_processes_new_orders(&env).await;
    assert_eq!(amqp.depth(&own[1]).await, 0, "a reply is in the dead-letter queue");
    assert!(worker.log().contains("own_queue"), "{}", worker.log());
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_full_subscriber_delays_no_other_and_gets_its_events_in_order_later() {
    let env = env_with_subscriber().await;
    let (amqp, healthy) = (AmqpClient::on(&env).await, subscriber_of(&env));
    let full = format!("{}.full", env.name_of("EVENTS_EXCHANGE"));
    amqp.declare_small_queue(&full, 5).await;
    amqp.bind(&full, &env.name_of("EVENTS_EXCHANGE"), "order.#").await;
    let worker = env.start_worker().await;

    for n in 0..50 {
        amqp.place_and_advance(&n.to_string()).await;
    }
    read_events_within(&amqp, &healthy, 100, Duration::from_secs(20)).await;
    let kept = env.count("outbox").await;
    assert!(kept >= 95, "{kept} in the outbox");
    // Several passes of the relay.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let copies = amqp.depth(&healthy).await;
    assert!(copies < 150, "{copies} copies");

    let versions = read_versions(&amqp, &full, 100).await;
    assert!(versions.values().all(|versions| *versions == [1, 2]), "{versions:?}");
    amqp.delete_queue(&full).await;
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

/// Reads distinct events; returns the versions of each order in the order of their first copies.
async fn read_versions(amqp: &AmqpClient, queue: &str, count: usize) -> BTreeMap<String, Vec<i64>> {
    let (mut ids, mut versions) = (HashSet::new(), BTreeMap::<String, Vec<i64>>::new());
    while ids.len() < count {
        let event: Value = amqp.next_of(queue).await.json();
        if ids.insert(event["event_id"].to_string()) {
            let of_order = versions.entry(event["order_id"].to_string()).or_default();
            of_order.push(event["version"].as_i64().unwrap());
        }
    }
    versions
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_subscriber_that_never_confirms_delays_others_only_once() {
    let Some(ctl) = controlled_broker() else { return };
    let env = env_with_subscriber().await;
    let (amqp, healthy) = (AmqpClient::on(&env).await, subscriber_of(&env));
    let silent = format!("{}.silent", env.name_of("EVENTS_EXCHANGE"));
    amqp.declare_small_queue(&silent, 100_000).await;
    amqp.bind(&silent, &env.name_of("EVENTS_EXCHANGE"), "order.#").await;
    let worker = env.start_worker().await;
    let suspended = SuspendedQueue::new(&ctl, &silent);

    publish_orders(&env, &orders(0..3_000)).await;
    worker.wait_for_log(logged::EVENTS_REFUSED).await;
    read_events_within(&amqp, &healthy, 3_000, Duration::from_secs(40)).await;

    drop(suspended);
    let mut ids = HashSet::new();
    while ids.len() < 3_000 {
        ids.insert(amqp.next_of(&silent).await.json()["event_id"].to_string());
    }
    assert_processes_new_orders(&env).await;
    amqp.delete_queue(&silent).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_full_dead_letter_queue_delays_no_orders_and_no_retries() {
    let env = env_with_subscriber().await;
    let (amqp, dead_letters) = (AmqpClient::on(&env).await, env.name_of("DEAD_LETTER_QUEUE"));
    amqp.delete_queue(&dead_letters).await;
    amqp.declare_small_queue(&dead_letters, 0).await;
    amqp.bind(&dead_letters, &env.name_of("DEAD_LETTER_EXCHANGE"), "#").await;
    // A worker that declares would not take such a queue.
    let worker = env.start_worker_with(&["--declare-topology=false"]).await;

    for n in 0..20 {
        let body = format!("{{oops {n}");
        amqp.send("order.place", body.as_bytes(), BasicProperties::default()).await;
    }
    // Its order is placed later, so it is retried.
    let properties = BasicProperties::default().with_message_id("early".into());
    amqp.send("order.set_next_status", br#"{"order_id": "7"}"#, properties).await;
    publish_orders(&env, &orders(0..ORDERS)).await;

    let subscriber = subscriber_of(&env);
    read_events_within(&amqp, &subscriber, ORDERS + 1, Duration::from_secs(20)).await;
    assert!(worker.log().contains(logged::COPIES_REFUSED), "{}", worker.log());
    amqp.delete_queue(&dead_letters).await;
    amqp.declare_small_queue(&dead_letters, 100).await;
    amqp.bind(&dead_letters, &env.name_of("DEAD_LETTER_EXCHANGE"), "#").await;
    amqp.wait_for_depth(&dead_letters, 20).await;
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_stop_does_not_wait_for_a_full_dead_letter_queue() {
    let env = env_with_subscriber().await;
    let (amqp, dead_letters) = (AmqpClient::on(&env).await, env.name_of("DEAD_LETTER_QUEUE"));
    amqp.delete_queue(&dead_letters).await;
    amqp.declare_small_queue(&dead_letters, 0).await;
    amqp.bind(&dead_letters, &env.name_of("DEAD_LETTER_EXCHANGE"), "#").await;
    // A worker that declares would not take such a queue.
    let worker = env.start_worker_with(&["--declare-topology=false", PATIENT_RELAY]).await;
    amqp.send("order.place", b"{oops", BasicProperties::default()).await;
    worker.wait_for_log(logged::COPIES_REFUSED).await;
    publish_orders(&env, &orders(0..ORDERS)).await;
    read_events_within(&amqp, &subscriber_of(&env), ORDERS, Duration::from_secs(20)).await;

    stop_quickly(worker).await;

    assert_eq!(env.count("outbox").await, 0, "confirmed events are still in the outbox");
    // The malformed message: a queue with a single active consumer cannot be read with `basic.get`.
    amqp.wait_for_depth(&env.name_of("COMMANDS_QUEUE"), 1).await;
    env.remove().await;
}

/// An order whose command and event are both larger than 4 KiB.
fn large_order(order_id: &str) -> String {
    let mut order: Value = serde_json::from_str(&place(order_id)).unwrap();
    let item = order["items"][0].clone();
    let items = (1..100).map(|n| {
        let mut item = item.clone();
        item["product_id"] = n.into();
        item
    });
    order["items"] = items.collect();
    order.to_string()
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_message_on_which_the_broker_closes_the_channel_delays_no_others() {
    let Some(ctl) = controlled_broker() else { return };
    let urls = (variable("AMQP_URL"), variable("DATABASE_URL"));
    let env = TestEnv::exclusive_at(&urls.0, &urls.1).await;
    env.prepare();
    subscribe(&env);
    let (amqp, dead_letters) = (AmqpClient::on(&env).await, env.name_of("DEAD_LETTER_QUEUE"));
    let large_and_malformed = format!("{{oops {}", "x".repeat(8 * 1024));
    for body in ["{oops", &large_and_malformed, "{oops again"] {
        amqp.send("order.place", body.as_bytes(), BasicProperties::default()).await;
    }
    let mut orders = orders(0..ORDERS);
    orders.insert(ORDERS / 2, large_order("large"));
    publish_orders(&env, &orders).await;
    let lowered = LoweredMessageSize::new(&ctl);

    let worker = env.start_worker().await;

    let subscriber = subscriber_of(&env);
    read_events_within(&amqp, &subscriber, ORDERS, Duration::from_secs(20)).await;
    amqp.wait_for_depth(&dead_letters, 2).await;
    eventually("only the large event is in the outbox", || async {
        env.ask("select order_id from outbox").await == ["large"]
    })
    .await;
    assert!(worker.log().contains("closed the channel because of a message"), "{}", worker.log());
    drop(lowered);
    assert_eq!(amqp.next_of(&subscriber).await.json()["order_id"], "large");
    amqp.wait_for_depth(&dead_letters, 3).await;
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_message_whose_headers_fill_a_frame_delays_no_orders() {
    let env = env_with_subscriber().await;
    let amqp = AmqpClient::on(&env).await;
    let mut headers = FieldTable::default();
    for n in 0..13 {
        let name = format!("large-{n}");
        headers.insert(name.into(), AMQPValue::LongString("x".repeat(9_980).into()));
    }
    headers.insert("shop".into(), AMQPValue::LongString("eu".into()));
    let properties = BasicProperties::default().with_headers(headers);
    amqp.send("order.place", b"{oops", properties).await;
    publish_orders(&env, &orders(0..ORDERS)).await;

    let worker = env.start_worker().await;

    let subscriber = subscriber_of(&env);
    read_events_within(&amqp, &subscriber, ORDERS, Duration::from_secs(30)).await;
    let dead_letter = amqp.next_of(&env.name_of("DEAD_LETTER_QUEUE")).await;
    assert_eq!(
        (dead_letter.header("order-worker-code"), dead_letter.header("shop")),
        ("malformed_json".to_owned(), "eu".to_owned())
    );
    assert!(dead_letter.header("order-worker-headers-left-out").contains("large-"));
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_first_requests_to_a_new_worker_publish_their_events_within_seconds() {
    let env = env_with_subscriber().await;
    let options = ["--http-addr=127.0.0.1:0", PATIENT_RELAY];
    let worker = env.spawn_worker_with(&options);
    eventually("the worker logs its HTTP address", || async {
        Client::of_log(&worker.log()).is_some()
    })
    .await;
    let client = Client::of_log(&worker.log()).unwrap();
    let began = Instant::now();

    // One after the other: concurrent requests would share a batch.
    for n in 0..40 {
        let request = Request::post("/api/orders").json(place(&n.to_string()));
        assert_eq!(client.exchange(&request).status, 201);
    }

    AmqpClient::on(&env).await.read_distinct(&subscriber_of(&env), 40).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    worker.stop().await;
    env.remove().await;
}
