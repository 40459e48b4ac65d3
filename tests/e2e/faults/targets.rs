//! Queues that take nothing: for replies, for events, for dead letters. Whoever they belong to, the
//! orders of all others go on.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;

use crate::http_api::{Client, Request};
use crate::outages::{control, controls};
use crate::shop::{Shop, place, publish as publish_orders};
use crate::story::{assert_goes_on, subscribe, subscriber_of};
use crate::surroundings::{PATIENT_RELAY, Surroundings, Worker, eventually};

const ORDERS: usize = 200;

impl Shop {
    /// Places orders whose replies go to a queue.
    async fn place_with_reply(&self, orders: std::ops::Range<usize>, reply_to: &str) {
        for n in orders {
            let properties = BasicProperties::default().with_reply_to(reply_to.into());
            let body = place(&format!("asking-{n}"));
            self.send("order.place", body.as_bytes(), properties).await;
        }
    }
}

/// A queue whose process does not answer, until this is dropped.
struct Suspended<'a> {
    ctl: &'a str,
    queue: &'a str,
}

impl<'a> Suspended<'a> {
    fn new(ctl: &'a str, queue: &'a str) -> Self {
        let suspended = Self { ctl, queue };
        suspended.tell("suspend");
        suspended
    }

    fn tell(&self, what: &str) {
        let code = format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, queue, <<\"{}\">>)), \
             sys:{what}(amqqueue:get_pid(Q)).",
            self.queue
        );
        control(self.ctl, "rabbitmq", &["ctl", "-q", "eval", &code]);
    }
}

impl Drop for Suspended<'_> {
    fn drop(&mut self) {
        self.tell("resume");
    }
}

/// What controls the broker; none, and a word about it, for a broker that the tests may not touch.
fn controlled_broker() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "whose the servers are is no setting")]
    let ctl = std::env::var("ORDER_WORKER_TEST_SERVERS_CTL").ok();
    let ctl = ctl.filter(|ctl| controls(ctl, "rabbitmq"));
    if ctl.is_none() {
        eprintln!("nothing is tested: only in a private broker may a queue be suspended");
    }
    ctl
}

async fn surroundings_with_a_subscriber() -> Surroundings {
    let surroundings = Surroundings::new().await;
    surroundings.prepare();
    subscribe(&surroundings);
    surroundings
}

fn orders(count: usize) -> Vec<String> {
    (0..count).map(|n| place(&n.to_string())).collect()
}

async fn stop_quickly(worker: Worker) {
    let began = Instant::now();
    worker.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10), "stopped after {:?}", began.elapsed());
}

/// Waits until the events of this many orders have come.
async fn read_events_within(shop: &Shop, queue: &str, count: usize, limit: Duration) {
    let began = Instant::now();
    shop.read_different(queue, count).await;
    assert!(began.elapsed() < limit, "{count} events after {:?}", began.elapsed());
}

async fn replies_to_a_full_queue(count: usize) {
    let surroundings = surroundings_with_a_subscriber().await;
    let shop = Shop::on(&surroundings).await;
    let full = format!("{}.full", surroundings.name_of("COMMANDS_QUEUE"));
    shop.declare_small_queue(&full, 0).await;
    shop.place_with_reply(0..count, &full).await;
    publish_orders(&surroundings, &orders(ORDERS)).await;

    let worker = surroundings.start_worker_with(&[PATIENT_RELAY]).await;

    let subscriber = subscriber_of(&surroundings);
    read_events_within(&shop, &subscriber, count + ORDERS, Duration::from_secs(20)).await;
    eventually("the replies have left the outbox", || async {
        surroundings.count("outbox").await == 0
    })
    .await;
    shop.place_with_reply(count..2 * count, &full).await;
    eventually("these orders are placed", || async {
        surroundings.count("orders").await == 2 * count + ORDERS
    })
    .await;
    stop_quickly(worker).await;
    shop.delete_queue(&full).await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn two_replies_to_a_full_queue_hold_up_no_orders() {
    replies_to_a_full_queue(2).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_thousand_replies_to_a_full_queue_hold_up_no_orders() {
    replies_to_a_full_queue(1_000).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_thousand_replies_to_a_queue_that_never_confirms_hold_up_no_orders() {
    let Some(ctl) = controlled_broker() else { return };
    let surroundings = surroundings_with_a_subscriber().await;
    let shop = Shop::on(&surroundings).await;
    let silent = format!("{}.silent", surroundings.name_of("COMMANDS_QUEUE"));
    shop.declare_small_queue(&silent, 100_000).await;
    shop.place_with_reply(0..1_000, &silent).await;
    publish_orders(&surroundings, &orders(ORDERS)).await;
    let suspended = Suspended::new(&ctl, &silent);

    let worker = surroundings.start_worker_with(&[PATIENT_RELAY]).await;

    let subscriber = subscriber_of(&surroundings);
    read_events_within(&shop, &subscriber, 1_000 + ORDERS, Duration::from_secs(20)).await;
    eventually("the replies have left the outbox", || async {
        surroundings.count("outbox").await == 0
    })
    .await;
    let replies = shop.queue_for_replies().await;
    shop.place_with_reply(1_000..1_001, &replies).await;
    assert_eq!(shop.next_of(&replies).await.json()["outcome"], "accepted");
    stop_quickly(worker).await;
    drop(suspended);
    shop.delete_queue(&silent).await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_reply_never_goes_to_a_queue_of_the_worker() {
    let surroundings = surroundings_with_a_subscriber().await;
    let shop = Shop::on(&surroundings).await;
    let worker = surroundings.start_worker().await;
    let own = ["COMMANDS_QUEUE", "DEAD_LETTER_QUEUE"].map(|name| surroundings.name_of(name));

    for (n, reply_to) in own.iter().chain([&format!("{}.retry.1", own[0])]).enumerate() {
        shop.place_with_reply(n..n + 1, reply_to).await;
    }

    eventually("the replies have left the outbox", || async {
        surroundings.count("orders").await == 3 && surroundings.count("outbox").await == 0
    })
    .await;
    assert_goes_on(&surroundings).await;
    assert_eq!(shop.depth(&own[1]).await, 0, "a reply is among the dead letters");
    assert!(worker.log().contains("own_queue"), "{}", worker.log());
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_full_subscriber_holds_up_no_other_and_gets_its_events_in_order_when_there_is_room() {
    let surroundings = surroundings_with_a_subscriber().await;
    let (shop, healthy) = (Shop::on(&surroundings).await, subscriber_of(&surroundings));
    let full = format!("{}.full", surroundings.name_of("EVENTS_EXCHANGE"));
    shop.declare_small_queue(&full, 5).await;
    shop.bind(&full, &surroundings.name_of("EVENTS_EXCHANGE"), "order.#").await;
    let worker = surroundings.start_worker().await;

    for n in 0..50 {
        shop.place_and_move(&n.to_string()).await;
    }
    read_events_within(&shop, &healthy, 100, Duration::from_secs(20)).await;
    let kept = surroundings.count("outbox").await;
    assert!(kept >= 95, "{kept} in the outbox");
    // Some passes of the relay.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let copies = shop.depth(&healthy).await;
    assert!(copies < 150, "{copies} copies");

    let versions = read_versions(&shop, &full, 100).await;
    assert!(versions.values().all(|versions| *versions == [1, 2]), "{versions:?}");
    shop.delete_queue(&full).await;
    assert_goes_on(&surroundings).await;
    worker.stop().await;
    surroundings.remove().await;
}

/// Reads different events; returns the versions of each order as they came first.
async fn read_versions(shop: &Shop, queue: &str, count: usize) -> BTreeMap<String, Vec<i64>> {
    let (mut ids, mut versions) = (HashSet::new(), BTreeMap::<String, Vec<i64>>::new());
    while ids.len() < count {
        let event: Value = shop.next_of(queue).await.json();
        if ids.insert(event["event_id"].to_string()) {
            let of_order = versions.entry(event["order_id"].to_string()).or_default();
            of_order.push(event["version"].as_i64().unwrap());
        }
    }
    versions
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_subscriber_that_never_confirms_holds_up_others_only_once() {
    let Some(ctl) = controlled_broker() else { return };
    let surroundings = surroundings_with_a_subscriber().await;
    let (shop, healthy) = (Shop::on(&surroundings).await, subscriber_of(&surroundings));
    let silent = format!("{}.silent", surroundings.name_of("EVENTS_EXCHANGE"));
    shop.declare_small_queue(&silent, 100_000).await;
    shop.bind(&silent, &surroundings.name_of("EVENTS_EXCHANGE"), "order.#").await;
    let worker = surroundings.start_worker().await;
    let suspended = Suspended::new(&ctl, &silent);

    publish_orders(&surroundings, &orders(3_000)).await;
    eventually("its confirms are missed", || async {
        worker.log().contains("Events were not taken")
    })
    .await;
    read_events_within(&shop, &healthy, 3_000, Duration::from_secs(40)).await;

    drop(suspended);
    let mut ids = HashSet::new();
    while ids.len() < 3_000 {
        ids.insert(shop.next_of(&silent).await.json()["event_id"].to_string());
    }
    assert_goes_on(&surroundings).await;
    shop.delete_queue(&silent).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_full_queue_of_dead_letters_holds_up_no_orders_and_no_retries() {
    let surroundings = surroundings_with_a_subscriber().await;
    let (shop, dead_letters) =
        (Shop::on(&surroundings).await, surroundings.name_of("DEAD_LETTER_QUEUE"));
    shop.delete_queue(&dead_letters).await;
    shop.declare_small_queue(&dead_letters, 0).await;
    shop.bind(&dead_letters, &surroundings.name_of("DEAD_LETTER_EXCHANGE"), "#").await;
    // A worker that declares would not take such a queue.
    let worker = surroundings.start_worker_with(&["--no-declare"]).await;

    for n in 0..20 {
        let body = format!("{{oops {n}");
        shop.send("order.place", body.as_bytes(), BasicProperties::default()).await;
    }
    // Its order comes later, so it is retried.
    let properties = BasicProperties::default().with_message_id("early".into());
    shop.send("order.set_next_status", br#"{"order_id": "7"}"#, properties).await;
    publish_orders(&surroundings, &orders(ORDERS)).await;

    let subscriber = subscriber_of(&surroundings);
    read_events_within(&shop, &subscriber, ORDERS + 1, Duration::from_secs(20)).await;
    assert!(worker.log().contains("Copies of commands were not taken"), "{}", worker.log());
    shop.delete_queue(&dead_letters).await;
    shop.declare_small_queue(&dead_letters, 100).await;
    shop.bind(&dead_letters, &surroundings.name_of("DEAD_LETTER_EXCHANGE"), "#").await;
    eventually("all are there", || async { shop.depth(&dead_letters).await == 20 }).await;
    assert_goes_on(&surroundings).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_message_whose_headers_fill_a_frame_holds_up_no_orders() {
    let surroundings = surroundings_with_a_subscriber().await;
    let shop = Shop::on(&surroundings).await;
    let mut headers = FieldTable::default();
    for n in 0..13 {
        let name = format!("large-{n}");
        headers.insert(name.into(), AMQPValue::LongString("x".repeat(9_980).into()));
    }
    headers.insert("shop".into(), AMQPValue::LongString("eu".into()));
    let properties = BasicProperties::default().with_headers(headers);
    shop.send("order.place", b"{oops", properties).await;
    publish_orders(&surroundings, &orders(ORDERS)).await;

    let worker = surroundings.start_worker().await;

    let subscriber = subscriber_of(&surroundings);
    read_events_within(&shop, &subscriber, ORDERS, Duration::from_secs(30)).await;
    let dead_letter = shop.next_of(&surroundings.name_of("DEAD_LETTER_QUEUE")).await;
    assert_eq!(
        (dead_letter.header("order-worker-code"), dead_letter.header("shop")),
        ("malformed_json".to_owned(), "eu".to_owned())
    );
    assert!(dead_letter.header("order-worker-headers-left-out").contains("large-"));
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_first_requests_to_a_fresh_worker_have_their_events_within_seconds() {
    let surroundings = surroundings_with_a_subscriber().await;
    let options = ["--http-addr=127.0.0.1:0", PATIENT_RELAY];
    let worker = surroundings.spawn_worker_with(&options);
    eventually("it tells its address", || async { Client::of_log(&worker.log()).is_some() }).await;
    let client = Client::of_log(&worker.log()).unwrap();
    let began = Instant::now();

    // One after the other: what comes at once is one batch.
    for n in 0..40 {
        let request = Request::post("/api/orders").json(place(&n.to_string()));
        assert_eq!(client.exchange(&request).status, 201);
    }

    Shop::on(&surroundings).await.read_different(&subscriber_of(&surroundings), 40).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    worker.stop().await;
    surroundings.remove().await;
}
