//! Database sessions that are open but no longer usable.

use std::time::{Duration, Instant};

use lapin::BasicProperties;
use order_worker::adapters::postgres::PgDatabase;
use order_worker::service_layer::RelayStore;
use tokio::time::sleep;

use super::database::OwnRole;
use crate::amqp_client::{AmqpClient, place};
use crate::http_api::client::{Client, Request};
use crate::tcp_proxy::{TcpProxy, host_of};
use crate::test_env::{TestEnv, Worker, eventually, logged, variable};

const HTTP: &str = "--http-addr=127.0.0.1:0";

/// Longer than a session may be idle without a check before its next use.
const IDLE: Duration = Duration::from_secs(6);

/// The deadline of a response that a client waits for.
const SOON: Duration = Duration::from_secs(8);

fn client_of(worker: &Worker) -> Client {
    Client::of_log(&worker.log()).expect("the worker logs its HTTP address")
}

async fn send(env: &TestEnv, order_id: &str) {
    let properties = BasicProperties::default();
    AmqpClient::on(env).await.send("order.place", place(order_id).as_bytes(), properties).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn idle_sessions_dropped_by_a_firewall_delay_by_seconds_only() {
    let proxy = TcpProxy::to(host_of(&variable("DATABASE_URL")));
    let database_url = proxy.url_for(&variable("DATABASE_URL"));
    let env = TestEnv::at_addresses(&variable("AMQP_URL"), &database_url).await;
    let worker = env.start_worker_with(&[HTTP, "--lanes=1"]).await;
    let client = client_of(&worker);
    client.send(&Request::post("/api/orders").json(place("1")));
    assert_eq!(client.get("/api/orders/1").status, 200);
    send(&env, "2").await;
    env.wait_for_count("orders", 2).await;
    sleep(IDLE).await;

    assert!(proxy.freeze() >= 3);
    let began = Instant::now();
    send(&env, "3").await;
    let posted = client.send(&Request::post("/api/orders").json(place("4")));
    let posted_after = began.elapsed();
    let asked = Instant::now();
    let read = client.get("/api/orders/1");
    let read_after = asked.elapsed();
    env.wait_for_count("orders", 4).await;

    assert_eq!((posted.status, read.status), (201, 200));
    assert!(posted_after < SOON && read_after < SOON, "{posted_after:?}, {read_after:?}");
    assert!(began.elapsed() < 2 * SOON, "{:?}", began.elapsed());
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_relay_on_a_lost_machine_loses_its_lock_within_seconds() {
    let env = TestEnv::new().await;
    env.prepare();
    let proxy = TcpProxy::to(host_of(&env.database_url));
    let gone = PgDatabase::connect(&proxy.url_for(&env.database_url)).await.unwrap();
    let mut gone = gone.relay();
    let database = PgDatabase::connect(&env.database_url).await.unwrap();
    let mut other = database.relay();
    assert!(gone.try_become_relay().await.unwrap());
    // Longer than the server waits for TCP keepalives.
    sleep(Duration::from_secs(22)).await;
    assert!(!other.try_become_relay().await.unwrap(), "a live relay keeps the lock");

    proxy.freeze();

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
async fn a_worker_logs_which_worker_is_the_relay() {
    let env = TestEnv::new().await;
    env.prepare();
    let database = PgDatabase::connect(&env.database_url).await.unwrap();
    let mut relay = database.relay();
    assert!(relay.try_become_relay().await.unwrap());

    let worker = env.start_worker_with(&[HTTP]).await;

    worker.wait_for_log("Another worker is the relay").await;
    assert_eq!(client_of(&worker).get("/health/ready").json()["relay"], "another worker");
    drop(relay);
    worker.wait_for_log("This worker is the relay").await;
    assert_eq!(client_of(&worker).get("/health/ready").json()["relay"], "this worker");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn tables_altered_while_they_are_read_fail_no_request() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[HTTP]).await;
    let client = client_of(&worker);
    client.send(&Request::post("/api/orders").json(place("1")));
    let paths = ["/api/orders/1", "/api/orders", "/api/customer/14/orders/get/"];

    for kind in ["varchar(400)", "text", "varchar(400)", "text"] {
        for _ in 0..5 {
            for path in paths {
                let response = client.get(path);
                assert_eq!(response.status, 200, "{path}: {}", response.body);
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

    let log = worker.stop_and_read_log().await;
    assert!(!log.contains(logged::DATABASE_OUTAGE), "{log}");
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn pools_replace_read_only_sessions() {
    let role = OwnRole::create().await;
    let env = &role.env;
    let worker = env.start_worker_with(&[HTTP]).await;
    let client = client_of(&worker);
    client.send(&Request::post("/api/orders").json(place("1")));
    // As after the server turned read-only: the setting applies to new sessions.
    role.alter("set default_transaction_read_only = on").await;
    env.terminate_sessions().await;
    eventually("reads succeed", || async { client.get("/api/orders/1").status == 200 }).await;
    let read_only_until = env.ask("select clock_timestamp()").await.remove(0);
    role.alter("reset default_transaction_read_only").await;

    reads_for(&client, Duration::from_secs(10)).await;
    let now = env.ask("select clock_timestamp()").await.remove(0);
    // Long enough for the backlog probe and the relay to run as well.
    reads_for(&client, Duration::from_secs(6)).await;

    let used = format!("backend_start < '{read_only_until}' and query_start > '{now}'");
    assert_eq!(env.sessions(&used).await, 0);
    assert_eq!(client.send(&Request::post("/api/orders").json(place("2"))).status, 201);
    worker.stop().await;
    role.remove().await;
}

/// Reads continuously, so that no session is idle for long.
async fn reads_for(client: &Client, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        assert_eq!(client.get("/api/orders/1").status, 200);
        sleep(Duration::from_millis(100)).await;
    }
}
