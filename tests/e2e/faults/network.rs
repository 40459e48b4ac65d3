//! A network that drops, cuts and delays connections between the worker and its servers.

use std::time::Duration;

use tokio::net::TcpListener;

use crate::tcp_proxy::{Reaction, TcpProxy, closed_port, host_of, url_with_port};
use crate::test_env::{PATIENT_RELAY, TestEnv, Worker, eventually, logged, printed, variable};
use crate::workload::{
    Copies, Expected, assert_consistent, assert_processes_new_orders, publish, subscribe,
};

/// A commit in PostgreSQL's protocol: a simple query, its length, its text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bcommit\0";

/// Both servers behind proxies, and a backlog.
struct ProxiedServers {
    env: TestEnv,
    to_broker: TcpProxy,
    to_database: TcpProxy,
    expected: Expected,
}

impl ProxiedServers {
    async fn with_backlog(messages: usize) -> Self {
        Self::with_options("", messages).await
    }

    /// With parameters in the URL of the broker.
    async fn with_options(amqp_options: &str, messages: usize) -> Self {
        let to_broker = TcpProxy::to(host_of(&variable("AMQP_URL")));
        let to_database = TcpProxy::to(host_of(&variable("DATABASE_URL")));
        let amqp_url = to_broker.url_for(&variable("AMQP_URL")) + amqp_options;
        let database_url = to_database.url_for(&variable("DATABASE_URL"));
        let env = TestEnv::at_addresses(&amqp_url, &database_url).await;
        env.prepare();
        subscribe(&env);
        let expected = publish(&env, "21", messages);
        Self { env, to_broker, to_database, expected }
    }

    /// Starts a worker that is slow enough to be still busy when the faults happen.
    async fn start_slow_worker(&self) -> Worker {
        self.to_database.delay(Duration::from_millis(10));
        let worker = self.env.spawn_worker_with(&["--batch-max", "10"]);
        self.wait_for_progress().await;
        worker
    }

    /// Waits for 20 more messages; asserts that the backlog is not finished.
    async fn wait_for_progress(&self) {
        let enough = self.env.count("handled_messages").await + 20;
        eventually("20 more messages are handled", || async {
            self.env.count("handled_messages").await >= enough
        })
        .await;
        let handled = self.env.count("handled_messages").await;
        assert!(handled < self.expected.accepted, "too late, after {handled}");
    }

    /// Checks the results of the backlog; returns the worker's log.
    async fn assert_recovers(self, worker: Worker) -> String {
        self.to_database.delay(Duration::ZERO);
        assert_consistent(&self.env, &self.expected, Copies::Any).await;
        let log = worker.stop_and_read_log().await;
        self.env.remove().await;
        log
    }
}

/// Repeats `break_connections` until it has broken one: the worker may have none for a moment.
async fn break_some(break_connections: impl Fn() -> usize) {
    eventually("a connection is broken", || async { break_connections() != 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn commits_whose_response_is_lost_take_effect_once() {
    let servers = ProxiedServers::with_backlog(1_500).await;

    servers.to_database.on_request(COMMIT, Reaction::CloseAfter, 5);
    let worker = servers.start_slow_worker().await;

    eventually("five responses are lost", || async { servers.to_database.reactions() == 5 }).await;
    servers.assert_recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn lost_commits_are_retried() {
    let servers = ProxiedServers::with_backlog(1_500).await;

    servers.to_database.on_request(COMMIT, Reaction::CloseBefore, 5);
    let worker = servers.start_slow_worker().await;

    eventually("five commits are lost", || async { servers.to_database.reactions() == 5 }).await;
    servers.assert_recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn database_connections_that_break_during_a_batch_lose_nothing() {
    let servers = ProxiedServers::with_backlog(2_500).await;
    let worker = servers.start_slow_worker().await;

    for bytes in [1, 20, 500] {
        break_some(|| servers.to_database.close_after(bytes)).await;
        servers.wait_for_progress().await;
        break_some(|| servers.to_database.reset()).await;
        servers.wait_for_progress().await;
    }

    let log = servers.assert_recovers(worker).await;
    assert!(log.contains(logged::DATABASE_OUTAGE), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn broker_connections_that_break_with_messages_in_flight_lose_nothing() {
    let servers = ProxiedServers::with_backlog(2_500).await;
    let worker = servers.start_slow_worker().await;

    for bytes in [1, 500] {
        break_some(|| servers.to_broker.close_after(bytes)).await;
        servers.wait_for_progress().await;
        break_some(|| servers.to_broker.reset()).await;
        servers.wait_for_progress().await;
    }

    let log = servers.assert_recovers(worker).await;
    assert!(log.contains(logged::COMMANDS_STOPPED), "{log}");
    assert!(!log.contains("unknown delivery tag"), "a stale tag was acknowledged: {log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn heartbeats_detect_a_half_open_connection() {
    let servers = ProxiedServers::with_options("?heartbeat=2", 1_500).await;
    let worker = servers.start_slow_worker().await;

    assert_ne!(servers.to_broker.freeze(), 0);

    worker.wait_for_log("no heartbeat from the broker").await;
    let log = servers.assert_recovers(worker).await;
    assert!(log.contains(logged::COMMANDS_RESUMED), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_that_starts_before_its_servers_waits_for_them() {
    let (broker_port, database_port) = (closed_port(), closed_port());
    let port = |socket: &tokio::net::TcpSocket| socket.local_addr().unwrap().port();
    let amqp_url = url_with_port(&variable("AMQP_URL"), port(&broker_port));
    let database_url = url_with_port(&variable("DATABASE_URL"), port(&database_port));
    let env = TestEnv::at_addresses(&amqp_url, &database_url).await;

    let mut worker = env.spawn_worker();
    worker.wait_for_log(logged::DATABASE_OUTAGE).await;
    assert!(worker.log().contains("refused"), "{}", worker.log());
    let _to_database = TcpProxy::on(database_port, host_of(&variable("DATABASE_URL")));
    worker.wait_for_log(logged::COMMANDS_STOPPED).await;
    assert!(!env.is_ready());
    assert!(worker.is_running());
    let _to_broker = TcpProxy::on(broker_port, host_of(&variable("AMQP_URL")));

    eventually("the worker is ready", || async { env.is_ready() }).await;
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn dead_hosts_in_the_url_delay_connections_by_seconds_only() {
    let (closed, silent) = (closed_port(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let dead =
        [closed.local_addr().unwrap(), silent.local_addr().unwrap()].map(|it| it.to_string());
    let live = host_of(&variable("AMQP_URL"));
    let hosts = [&dead[0], &live, &dead[1]].map(String::as_str).join(",");
    let amqp_url = variable("AMQP_URL").replacen(&live, &hosts, 1);
    let env = TestEnv::at_addresses(&amqp_url, &variable("DATABASE_URL")).await;

    let worker = env.start_worker().await;
    assert_processes_new_orders(&env).await;
    printed(&env.program(&["topology", "check"]).output().unwrap());

    let nobody = format!("amqp://guest:secret@{},{}", dead[0], dead[1]);
    let failed = env.program(&["topology", "check"]).env("AMQP_URL", nobody).output().unwrap();
    let error = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(error.contains(&format!("{}: Connection refused", dead[0])), "{error}");
    assert!(error.contains(&format!("{}: no reply", dead[1])), "{error}");
    assert!(!failed.status.success() && !error.contains("secret"), "{error}");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn slow_servers_make_the_worker_slow_but_cause_no_errors() {
    let servers = ProxiedServers::with_backlog(1_500).await;

    servers.to_database.delay(Duration::from_millis(50));
    servers.to_broker.delay(Duration::from_millis(50));
    let worker = servers.env.spawn_worker_with(&[PATIENT_RELAY]);

    assert_consistent(&servers.env, &servers.expected, Copies::One).await;
    let log = worker.stop_and_read_log().await;
    assert!(!logged::OUTAGES.iter().any(|outage| log.contains(outage)), "{log}");
    servers.env.remove().await;
}
