//! Sessions with the database that are there and of no use any more.

use std::time::{Duration, Instant};

use lapin::BasicProperties;
use order_worker::adapters::postgres::PgDatabase;
use order_worker::service_layer::RelayStore;
use tokio::time::sleep;

use super::database::OwnRole;
use crate::amqp_client::{AmqpClient, place};
use crate::http_api::client::{Client, Request};
use crate::relay::{Relay, host_of};
use crate::test_env::{TestEnv, Worker, eventually, variable};

const HTTP: &str = "--http-addr=127.0.0.1:0";

/// Longer than a session may be idle without being checked before its next use.
const IDLE: Duration = Duration::from_secs(6);

/// An answer that somebody waits for.
const SOON: Duration = Duration::from_secs(8);

fn client_of(worker: &Worker) -> Client {
    Client::of_log(&worker.log()).expect("the worker tells its address")
}

async fn send(env: &TestEnv, order_id: &str) {
    let properties = BasicProperties::default();
    AmqpClient::on(env).await.send("order.place", place(order_id).as_bytes(), properties).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn idle_sessions_that_a_firewall_drops_cost_seconds() {
    let relay = Relay::to(host_of(&variable("DATABASE_URL")));
    let database_url = relay.in_place_of(&variable("DATABASE_URL"));
    let env = TestEnv::at_addresses(&variable("AMQP_URL"), &database_url).await;
    let worker = env.start_worker_with(&[HTTP, "--lanes=1"]).await;
    let client = client_of(&worker);
    client.send(&Request::post("/api/orders").json(place("1")));
    assert_eq!(client.get("/api/orders/1").status, 200);
    send(&env, "2").await;
    eventually("the lane has a session", || async { env.count("orders").await == 2 }).await;
    sleep(IDLE).await;

    assert!(relay.freeze() >= 3);
    let began = Instant::now();
    send(&env, "3").await;
    let posted = client.send(&Request::post("/api/orders").json(place("4")));
    let posted_after = began.elapsed();
    let asked = Instant::now();
    let read = client.get("/api/orders/1");
    let read_after = asked.elapsed();
    eventually("the command of the queue has its effect", || async {
        env.count("orders").await == 4
    })
    .await;

    assert_eq!((posted.status, read.status), (201, 200));
    assert!(posted_after < SOON && read_after < SOON, "{posted_after:?}, {read_after:?}");
    assert!(began.elapsed() < 2 * SOON, "{:?}", began.elapsed());
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_relay_whose_machine_is_gone_loses_its_lock_within_seconds() {
    let env = TestEnv::new().await;
    env.prepare();
    let wire = Relay::to(host_of(&env.database_url));
    let gone = PgDatabase::connect(&wire.in_place_of(&env.database_url)).await.unwrap();
    let mut gone = gone.relay();
    let database = PgDatabase::connect(&env.database_url).await.unwrap();
    let mut other = database.relay();
    assert!(gone.try_become_relay().await.unwrap());
    // Longer than the server waits for a sign of life.
    sleep(Duration::from_secs(22)).await;
    assert!(!other.try_become_relay().await.unwrap(), "the one that lives keeps it");

    wire.freeze();

    let began = Instant::now();
    while !other.try_become_relay().await.unwrap() {
        assert!(began.elapsed() < Duration::from_secs(30), "after {:?}", began.elapsed());
        sleep(Duration::from_millis(200)).await;
    }
    assert!(gone.try_become_relay().await.is_ok_and(|locked| !locked));
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_says_whose_session_has_the_relays_lock() {
    let env = TestEnv::new().await;
    env.prepare();
    let database = PgDatabase::connect(&env.database_url).await.unwrap();
    let mut relay = database.relay();
    assert!(relay.try_become_relay().await.unwrap());

    let worker = env.start_worker_with(&[HTTP]).await;

    eventually("it says so", || async { worker.log().contains("Another worker is the relay") })
        .await;
    assert_eq!(client_of(&worker).get("/health/ready").json()["relay"], "another worker");
    drop(relay);
    eventually("it takes over", || async { worker.log().contains("This worker is the relay") })
        .await;
    assert_eq!(client_of(&worker).get("/health/ready").json()["relay"], "this worker");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn tables_that_are_altered_while_they_are_read_cost_no_answer() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[HTTP]).await;
    let client = client_of(&worker);
    client.send(&Request::post("/api/orders").json(place("1")));
    let paths = ["/api/orders/1", "/api/orders", "/api/customer/14/orders/get/"];

    for kind in ["varchar(400)", "text", "varchar(400)", "text"] {
        for _ in 0..5 {
            for path in paths {
                let answer = client.get(path);
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            }
        }
        let next = client.post("/api/order/1/status/next/");
        assert_eq!(next.status, 204, "{}", next.body);
        env.execute(&format!(
            "alter table orders alter customer_name type {kind};
                 alter table order_items alter name type {kind};
                 alter table order_history alter command type {kind}"
        ))
        .await;
    }

    let log = worker.stopped().await;
    assert!(!log.contains("in trouble"), "{log}");
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn no_pool_keeps_sessions_that_take_no_writes() {
    let role = OwnRole::create().await;
    let env = &role.env;
    let worker = env.start_worker_with(&[HTTP]).await;
    let client = client_of(&worker);
    client.send(&Request::post("/api/orders").json(place("1")));
    // As if the server had turned read-only: the setting is that of sessions to come.
    role.alter("set default_transaction_read_only = on").await;
    env.terminate_sessions().await;
    eventually("reads are answered", || async { client.get("/api/orders/1").status == 200 }).await;
    role.alter("reset default_transaction_read_only").await;
    let turned = env.ask("select clock_timestamp()").await.remove(0);

    reads_for(&client, Duration::from_secs(10)).await;
    let now = env.ask("select clock_timestamp()").await.remove(0);
    // Also what is waiting is counted meanwhile, and the relay has its turn.
    reads_for(&client, Duration::from_secs(6)).await;

    let used = format!("backend_start < '{turned}' and query_start > '{now}'");
    assert_eq!(env.sessions(&used).await, 0);
    assert_eq!(client.send(&Request::post("/api/orders").json(place("2"))).status, 201);
    worker.stop().await;
    role.remove().await;
}

/// Reads all the time, so that no session is idle for long.
async fn reads_for(client: &Client, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        assert_eq!(client.get("/api/orders/1").status, 200);
        sleep(Duration::from_millis(100)).await;
    }
}
