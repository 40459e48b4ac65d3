//! Signals: the drain period of HTTP, reloading, and signals without a meaning.

use std::time::{Duration, Instant};

use lapin::BasicProperties;
use order_worker::entrypoints::http::auth::{Role, Token};

use crate::amqp_client::{AmqpClient, place};
use crate::http_api::client::{Client, Request};
use crate::http_api::test_worker::order;
use crate::test_env::{TestEnv, Worker, eventually};

const HTTP: &str = "--http-addr=127.0.0.1:0";

fn client_of(worker: &Worker) -> Client {
    Client::of_log(&worker.log()).expect("the worker logs its address")
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn requests_are_served_in_the_drain_period_with_a_readiness_of_503() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[HTTP, "--http-drain-seconds=10"]).await;
    let client = client_of(&worker);
    assert_eq!(client.get("/health/ready").status, 200);

    worker.send_sigterm();

    eventually("it is not ready", || async { client.get("/health/ready").status == 503 }).await;
    assert!(client.get("/health/ready").body.contains("the worker is stopping"));
    assert_eq!(client.get("/health/live").status, 200);
    let placed = client.send(&Request::post("/api/orders").json(order("7")));
    assert_eq!((placed.status, client.status_of("7").as_str()), (201, "Received"));
    let status = worker.wait_for_exit().await;
    assert!(status.success(), "{status}");
    assert_eq!(env.count("outbox").await, 0, "the event is published before the end");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn no_commands_are_consumed_in_the_drain_period() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[HTTP, "--http-drain-seconds=10"]).await;
    let client = client_of(&worker);
    let amqp = AmqpClient::on(&env).await;

    worker.send_sigterm();
    eventually("it is not ready", || async { client.get("/health/ready").status == 503 }).await;
    let consumers = || async { !env.is_ready() };
    eventually("nothing is consumed", consumers).await;
    amqp.send("order.place", place("7").as_bytes(), BasicProperties::default()).await;

    assert!(worker.wait_for_exit().await.success());
    assert_eq!(amqp.depth(&env.name_of("COMMANDS_QUEUE")).await, 1);
    assert_eq!(env.count("orders").await, 0);
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_second_sigterm_ends_the_drain_period() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[HTTP, "--http-drain-seconds=15"]).await;
    worker.send_sigterm();
    worker.wait_for_log("Stopping").await;
    let asked = Instant::now();

    worker.send_sigterm();

    assert_eq!(worker.wait_for_exit().await.code(), Some(143));
    assert!(asked.elapsed() < Duration::from_secs(10));
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn ctrl_c_stops_without_a_drain_period() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[HTTP, "--http-drain-seconds=15"]).await;
    let asked = Instant::now();

    worker.send_signal("INT");

    assert!(worker.wait_for_exit().await.success());
    assert!(asked.elapsed() < Duration::from_secs(10));
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn signals_without_a_meaning_are_ignored() {
    let env = TestEnv::new().await;
    let mut worker = env.start_worker().await;

    for signal in ["USR1", "USR2"] {
        worker.send_signal(signal);
        worker.wait_for_log(&format!("SIG{signal} is ignored")).await;
    }

    assert!(worker.is_running());
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn sighup_reads_tokens_and_urls_again() {
    let folder = tempfile::tempdir().unwrap();
    let [tokens, url] = ["tokens", "url"].map(|name| folder.path().join(name));
    std::fs::write(&tokens, Token::new("ada", Role::Viewer).unwrap().line).unwrap();
    let env = TestEnv::new().await;
    std::fs::write(&url, &env.amqp_url).unwrap();
    let env = env.with("AMQP_URL_FILE", url.to_str().unwrap());
    let mut worker = env
        .start_worker_with(&["--amqp-url=", HTTP, "--http-tokens-file", tokens.to_str().unwrap()])
        .await;

    std::fs::write(&tokens, "").unwrap();
    std::fs::write(&url, format!("{}?heartbeat=9", env.amqp_url)).unwrap();
    worker.send_signal("HUP");

    worker.wait_for_log("HTTP_TOKENS_FILE reloaded tokens=0").await;
    worker.wait_for_log(crate::test_env::logged::URL_READ_AGAIN).await;
    assert!(worker.is_running());
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_token_file_that_cannot_be_read_locks_out_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let token = Token::new("ada", Role::Viewer).unwrap();
    std::fs::write(&file, &token.line).unwrap();
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&[HTTP, "--http-tokens-file", file.to_str().unwrap()]).await;
    let client = client_of(&worker).with_token(&token.secret);
    assert_eq!(client.get("/api/orders").status, 200);
    let status = |expected| {
        let client = client.clone();
        async move {
            let what = format!("status {expected}");
            eventually(&what, || async { client.get("/api/orders").status == expected }).await;
        }
    };

    std::fs::remove_file(&file).unwrap();
    status(503).await;
    std::fs::write(&file, "broken").unwrap();
    status(503).await;
    std::fs::write(&file, &token.line).unwrap();
    status(200).await;

    worker.stop().await;
    env.remove().await;
}
