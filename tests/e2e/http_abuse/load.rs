//! Processing the queue during an attack over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::target::{address_in, request};
use crate::amqp_client::{place, publish_orders};
use crate::test_env::{TestEnv, eventually};

const ORDERS: usize = 3_000;

/// Hostile requests of several kinds, repeated on new connections.
struct Attack {
    reads: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Attack {
    fn on(address: &str) -> Self {
        let reads = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let host = ["Host: localhost", "Authorization: Token owt_forged"];
        let forged = request("POST", "/api/orders", &host, &place("forged"));
        let large = request("POST", "/api/orders", &host, &" ".repeat(1024 * 1024));
        let many = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
        let slow = "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
        for (kind, count) in [(forged, 8), (large, 2), (many, 8), (slow.to_owned(), 40)] {
            for _ in 0..count {
                tasks.spawn(attack(address.to_owned(), kind.clone(), reads.clone()));
            }
        }
        Self { reads, _tasks: tasks }
    }

    /// The number of reads that returned bytes of a response so far.
    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

async fn attack(address: String, kind: String, reads: Arc<AtomicUsize>) {
    loop {
        let Ok(mut stream) = TcpStream::connect(&address).await else { continue };
        let mut part = vec![0; 64 * 1024];
        // After any error, the next connection is opened.
        let _ = stream.write_all(kind.as_bytes()).await;
        while let Ok(1..) = stream.read(&mut part).await {
            reads.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_backlog_is_processed_during_an_attack_over_http() {
    let env = TestEnv::new().await;
    env.prepare();
    let orders: Vec<String> = (0..ORDERS).map(|order| place(&order.to_string())).collect();
    let mut worker = env.spawn_worker_with(&["--http-addr=127.0.0.1:0", "--http-tokens=#"]);
    let address = || address_in(&worker.log());
    eventually("the worker logs its address", || async { address().is_some() }).await;
    let attack = Attack::on(&address().unwrap());
    eventually("the attack has started", || async { attack.reads() > 100 }).await;

    publish_orders(&env, &orders).await;

    eventually("all orders are placed", || async { env.count("orders").await == ORDERS }).await;
    let reads = attack.reads();
    eventually("the attack continues", || async { attack.reads() > reads }).await;
    assert!(worker.is_running());
    drop(attack);
    let log = worker.stop_and_read_log().await;
    assert!(log.lines().count() < 50, "a flood of lines:\n{log}");
    env.remove().await;
}
