//! A network that loses, cuts and holds back what the worker and its servers say to each other.

use std::time::Duration;

use crate::relay::{Reaction, Relay, address_with_port, closed_port, host_of};
use crate::test_env::{PATIENT_RELAY, TestEnv, Worker, eventually, variable};
use crate::workload::{Copies, Expected, assert_adds_up, assert_goes_on, publish, subscribe};

/// What PostgreSQL gets for a commit: a simple query, a length, a text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bcommit\0";

/// Both servers behind relays, and a backlog.
struct Wired {
    env: TestEnv,
    to_broker: Relay,
    to_database: Relay,
    expected: Expected,
}

impl Wired {
    async fn with_backlog(messages: usize) -> Self {
        Self::with_options("", messages).await
    }

    /// With options in the address of the broker.
    async fn with_options(amqp_options: &str, messages: usize) -> Self {
        let to_broker = Relay::to(host_of(&variable("AMQP_URL")));
        let to_database = Relay::to(host_of(&variable("DATABASE_URL")));
        let amqp_url = to_broker.in_place_of(&variable("AMQP_URL")) + amqp_options;
        let database_url = to_database.in_place_of(&variable("DATABASE_URL"));
        let env = TestEnv::at_addresses(&amqp_url, &database_url).await;
        env.prepare();
        subscribe(&env);
        let expected = publish(&env, "21", messages);
        Self { env, to_broker, to_database, expected }
    }

    /// A worker that will not be done before the faults are, as it makes small steps.
    async fn worker_at_work(&self) -> Worker {
        self.to_database.delay(Duration::from_millis(10));
        let worker = self.env.spawn_worker_with(&["--batch-max", "10"]);
        self.goes_on().await;
        worker
    }

    /// Waits for some progress; asserts that there is still something to do.
    async fn goes_on(&self) {
        let some_more = self.env.count("handled_messages").await + 20;
        eventually("some messages more are handled", || async {
            self.env.count("handled_messages").await >= some_more
        })
        .await;
        let handled = self.env.count("handled_messages").await;
        assert!(handled < self.expected.accepted, "too late, after {handled}");
    }

    /// Returns what the worker logged.
    async fn assert_overcome(self, worker: Worker) -> String {
        self.to_database.delay(Duration::ZERO);
        assert_adds_up(&self.env, &self.expected, Copies::More).await;
        let log = worker.stopped().await;
        self.env.remove().await;
        log
    }
}

/// Breaks connections, as soon as there are some: the worker may be without one for a moment.
async fn breaks(connections: impl Fn() -> usize) {
    eventually("a connection is broken", || async { connections() != 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn commits_whose_answer_gets_lost_take_effect_once() {
    let wired = Wired::with_backlog(1_500).await;

    wired.to_database.on_request(COMMIT, Reaction::EndAfter, 5);
    let worker = wired.worker_at_work().await;

    eventually("five answers are lost", || async { wired.to_database.reactions() == 5 }).await;
    wired.assert_overcome(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn commits_that_never_arrive_are_made_up_for() {
    let wired = Wired::with_backlog(1_500).await;

    wired.to_database.on_request(COMMIT, Reaction::EndBefore, 5);
    let worker = wired.worker_at_work().await;

    eventually("five commits are lost", || async { wired.to_database.reactions() == 5 }).await;
    wired.assert_overcome(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn connections_to_the_database_that_break_in_mid_batch_cost_nothing() {
    let wired = Wired::with_backlog(2_500).await;
    let worker = wired.worker_at_work().await;

    for bytes in [1, 20, 500] {
        breaks(|| wired.to_database.close_after(bytes)).await;
        wired.goes_on().await;
        breaks(|| wired.to_database.reset()).await;
        wired.goes_on().await;
    }

    let log = wired.assert_overcome(worker).await;
    assert!(log.contains("Database is in trouble"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn connections_to_the_broker_that_break_in_flight_cost_nothing() {
    let wired = Wired::with_backlog(2_500).await;
    let worker = wired.worker_at_work().await;

    for bytes in [1, 500] {
        breaks(|| wired.to_broker.close_after(bytes)).await;
        wired.goes_on().await;
        breaks(|| wired.to_broker.reset()).await;
        wired.goes_on().await;
    }

    let log = wired.assert_overcome(worker).await;
    assert!(log.contains("Commands cannot be consumed"), "{log}");
    assert!(!log.contains("unknown delivery tag"), "a stale tag was acknowledged: {log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn heartbeats_notice_a_half_open_connection() {
    let wired = Wired::with_options("?heartbeat=2", 1_500).await;
    let worker = wired.worker_at_work().await;

    assert_ne!(wired.to_broker.freeze(), 0);

    eventually("the silence is noticed", || async {
        worker.log().contains("no heartbeat from the broker")
    })
    .await;
    let log = wired.assert_overcome(worker).await;
    assert!(log.contains("Commands are consumed again"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_that_starts_before_its_servers_waits_for_them() {
    let (broker_port, database_port) = (closed_port(), closed_port());
    let port = |socket: &tokio::net::TcpSocket| socket.local_addr().unwrap().port();
    let amqp_url = address_with_port(&variable("AMQP_URL"), port(&broker_port));
    let database_url = address_with_port(&variable("DATABASE_URL"), port(&database_port));
    let env = TestEnv::at_addresses(&amqp_url, &database_url).await;

    let mut worker = env.spawn_worker();
    eventually("it waits for the database", || async {
        worker.log().contains("Database is in trouble")
    })
    .await;
    assert!(worker.log().contains("refused"), "{}", worker.log());
    let _to_database = Relay::on(database_port, host_of(&variable("DATABASE_URL")));
    eventually("it waits for the broker", || async {
        worker.log().contains("Commands cannot be consumed")
    })
    .await;
    let health = env.program(&["healthcheck"]).output().unwrap();
    assert!(!health.status.success(), "it is not ready yet");
    assert!(worker.is_running());
    let _to_broker = Relay::on(broker_port, host_of(&variable("AMQP_URL")));

    eventually("it consumes", || async {
        env.program(&["healthcheck"]).output().unwrap().status.success()
    })
    .await;
    assert_goes_on(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn slow_servers_make_it_slow_and_nothing_else() {
    let wired = Wired::with_backlog(1_500).await;

    wired.to_database.delay(Duration::from_millis(50));
    wired.to_broker.delay(Duration::from_millis(50));
    let worker = wired.env.spawn_worker_with(&[PATIENT_RELAY]);

    assert_adds_up(&wired.env, &wired.expected, Copies::One).await;
    let log = worker.stopped().await;
    assert!(!log.contains("trouble") && !log.contains("cannot be"), "{log}");
    wired.env.remove().await;
}
