//! A worker that crashes at each step of processing, or is stopped.

use std::os::unix::process::ExitStatusExt;

use sqlx::{Connection, Executor};

use crate::amqp_client::{AmqpClient, orders, publish_orders};
use crate::tcp_proxy::{Reaction, TcpProxy, host_of};
use crate::test_env::{TestEnv, Worker, eventually, variable};
use crate::workload::{Copies, Expected, assert_consistent, publish, subscribe, subscriber_of};

const SIGABRT: i32 = 6;
const ONE_LANE: [&str; 4] = ["--lanes", "1", "--batch-max", "20"];

/// A workload, and a worker that crashed halfway through it.
struct Crash {
    env: TestEnv,
    expected: Expected,
}

impl Crash {
    async fn at(point: &str) -> Self {
        let env = TestEnv::new().await;
        env.prepare();
        subscribe(&env);
        let expected = publish(&env, "11", 400);

        let status = env.spawn_worker_that_crashes_at(point, &ONE_LANE).wait_for_exit().await;

        assert_eq!(status.signal(), Some(SIGABRT), "no crash at {point}");
        let handled = env.count("handled_messages").await;
        assert!(handled < 350, "{point} crashed too late, after {handled} messages");
        Self { env, expected }
    }

    /// Waits until the broker has requeued all commands of the crashed worker.
    async fn wait_for_requeue(&self) {
        let amqp = AmqpClient::on(&self.env).await;
        let queue = self.env.name_of("COMMANDS_QUEUE");
        amqp.wait_for_depth(&queue, self.expected.messages).await;
    }

    async fn events_in_queue(&self) -> usize {
        AmqpClient::on(&self.env).await.depth(&subscriber_of(&self.env)).await
    }

    async fn assert_recovers(self) {
        let worker = self.env.start_worker().await;
        assert_consistent(&self.env, &self.expected, Copies::UpToThree).await;
        worker.stop().await;
        self.env.remove().await;
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_crash_after_receiving_leaves_all_messages_with_the_broker() {
    let crash = Crash::at("received:1").await;

    assert_eq!(crash.env.count("handled_messages").await, 0);
    crash.wait_for_requeue().await;
    crash.assert_recovers().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_crash_between_writing_and_commit_leaves_nothing_written() {
    let crash = Crash::at("written:1").await;

    assert_eq!(crash.env.count("handled_messages").await, 0);
    assert_eq!(crash.env.count("outbox").await, 0);
    crash.assert_recovers().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_crash_between_commit_and_acknowledgement_duplicates_nothing() {
    let crash = Crash::at("committed:1").await;

    assert_ne!(crash.env.count("handled_messages").await, 0);
    crash.wait_for_requeue().await;
    crash.assert_recovers().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_crash_before_publishing_leaves_the_events_in_the_outbox() {
    let crash = Crash::at("publishing:1").await;

    assert_ne!(crash.env.count("outbox").await, 0);
    assert_eq!(crash.events_in_queue().await, 0);
    crash.assert_recovers().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_crash_between_publish_and_confirm_keeps_the_events_in_the_outbox() {
    let crash = Crash::at("published:2").await;

    assert_ne!(crash.env.count("outbox").await, 0);
    crash.assert_recovers().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_crash_between_confirm_and_outbox_delete_causes_copies_at_most() {
    let crash = Crash::at("confirmed:1").await;

    let outbox = crash.env.count("outbox").await;
    assert!(outbox > 0 && crash.events_in_queue().await > 0);
    crash.assert_recovers().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_crash_between_acknowledgements_loses_nothing_and_duplicates_nothing() {
    Crash::at("acknowledged:3").await.assert_recovers().await;
}

/// Kills a worker while a proxy drops its first events, or their confirms.
async fn killed_while_the_proxy(reaction: Reaction) -> TestEnv {
    let proxy = TcpProxy::to(host_of(&variable("AMQP_URL")));
    let amqp_url = proxy.url_for(&variable("AMQP_URL"));
    let env = TestEnv::at_addresses(&amqp_url, &variable("DATABASE_URL")).await;
    env.prepare();
    subscribe(&env);
    publish_orders(&env, &orders(0..30)).await;

    proxy.on_request(b"order.status.", reaction, 1);
    // More orders than the prefetch: some commands are acknowledged.
    let worker = env.spawn_worker_with(&["--lanes", "1", "--prefetch", "5"]);
    eventually("events of acknowledged commands are in the outbox", || async {
        env.count("outbox").await > 5 && proxy.reactions() == 1
    })
    .await;
    let amqp = AmqpClient::on(&env).await;
    if reaction == Reaction::DropResponses {
        eventually("events have arrived", || async { amqp.depth(&subscriber_of(&env)).await > 0 })
            .await;
    }
    worker.kill();
    // In one query: a commit that has reached the database may still take effect.
    let difference = "select (select count(*) from orders) - (select count(*) from outbox)";
    assert_eq!(env.ask(difference).await, ["0"]);
    env
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn events_of_acknowledged_commands_survive_a_kill() {
    let env = killed_while_the_proxy(Reaction::DropRequests).await;
    let amqp = AmqpClient::on(&env).await;
    assert_eq!(amqp.depth(&subscriber_of(&env)).await, 0);

    let worker = env.start_worker().await;

    let got = env.python_client(&["events", &subscriber_of(&env), "30"]);
    assert_eq!(got.lines().count(), 30);
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn events_whose_confirm_is_lost_are_published_twice_under_one_id() {
    let env = killed_while_the_proxy(Reaction::DropResponses).await;

    let worker = env.start_worker().await;

    env.wait_for_count("outbox", 0).await;
    let got = env.python_client(&["events", &subscriber_of(&env), "30"]);
    assert!((31..=60).contains(&got.lines().count()), "{got}");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn twenty_five_kills_with_unacknowledged_messages_make_no_dead_letter() {
    let env = TestEnv::new().await;
    env.prepare();
    let amqp = AmqpClient::on(&env).await;
    publish_orders(&env, &orders(0..200)).await;
    let queue = env.name_of("COMMANDS_QUEUE");
    // No order can be placed meanwhile.
    let mut lock = env.database_session().await;
    lock.execute("begin; lock table orders in exclusive mode").await.unwrap();

    for _ in 0..25 {
        let worker = env.spawn_worker_with(&["--declare-topology=false", "--migrate=false"]);
        amqp.wait_for_depth(&queue, 0).await;
        worker.kill();
        amqp.wait_for_depth(&queue, 200).await;
    }

    lock.execute("rollback").await.unwrap();
    let worker = env.start_worker().await;
    env.wait_for_count("orders", 200).await;
    assert_eq!(env.python_client(&["dead-letters", "0"]), "");
    worker.stop().await;
    env.remove().await;
}

/// A worker that cannot finish its backlog: from the hundredth order on, inserts wait for a lock that the
/// returned session holds.
async fn stuck_worker(env: &TestEnv, options: &[&str]) -> (Worker, sqlx::PgConnection) {
    env.before_each_order(
        "if nextval('order_inserts') > 100 then
                perform pg_advisory_xact_lock_shared(hashtext(current_schema()));
             end if",
    )
    .await;
    let mut lock = env.database_session().await;
    lock.execute("select pg_advisory_lock(hashtext(current_schema()))").await.unwrap();
    let worker = env.spawn_worker_with(options);
    eventually("messages are handled", || async { env.count("handled_messages").await > 0 }).await;
    eventually("the worker waits for the lock", || async {
        env.sessions("wait_event_type = 'Lock'").await > 0
    })
    .await;
    (worker, lock)
}

async fn assert_exit_code(options: &[&str], signals: usize, exit_code: i32) {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let expected = publish(&env, "12", 2_000);
    let (worker, lock) = stuck_worker(&env, options).await;

    for _ in 0..signals {
        worker.send_sigterm();
        worker.wait_for_log("Stopping").await;
    }

    assert_eq!(worker.wait_for_exit().await.code(), Some(exit_code));
    lock.close().await.unwrap();
    let worker = env.start_worker().await;
    assert_consistent(&env, &expected, Copies::UpToThree).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_second_sigterm_ends_the_worker_at_once() {
    assert_exit_code(&["--batch-max", "20"], 2, 143).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_that_cannot_finish_ends_after_its_grace_period() {
    assert_exit_code(&["--batch-max", "20", "--shutdown-grace-seconds", "1"], 1, 1).await;
}
