//! A worker that dies, at every point of a message's way, or is told to stop.

use std::os::unix::process::ExitStatusExt;

use sqlx::{Connection, Executor};

use crate::amqp_client::{self, AmqpClient, place};
use crate::relay::{Reaction, Relay, host_of};
use crate::test_env::{TestEnv, Worker, eventually, variable};
use crate::workload::{Copies, Expected, assert_adds_up, publish, subscribe, subscriber_of};

const SIGABRT: i32 = 6;
const ONE_LANE: [&str; 4] = ["--lanes", "1", "--batch-max", "20"];

/// A story, and a worker that died of it halfway.
struct Death {
    env: TestEnv,
    expected: Expected,
}

impl Death {
    async fn at(point: &str) -> Self {
        let env = TestEnv::new().await;
        env.prepare();
        subscribe(&env);
        let expected = publish(&env, "11", 400);

        let status = env.spawn_worker_that_dies_at(point, &ONE_LANE).ended().await;

        assert_eq!(status.signal(), Some(SIGABRT), "it did not die at {point}");
        let handled = env.count("handled_messages").await;
        assert!(handled < 350, "{point} came too late, after {handled} messages");
        Self { env, expected }
    }

    /// Messages in the queue of commands, where those of the dead worker return to.
    async fn commands_in_queue(&self) -> usize {
        let amqp = AmqpClient::on(&self.env).await;
        amqp.depth(&self.env.name_of("COMMANDS_QUEUE")).await
    }

    async fn events_in_queue(&self) -> usize {
        AmqpClient::on(&self.env).await.depth(&subscriber_of(&self.env)).await
    }

    async fn assert_overcome(self) {
        let worker = self.env.start_worker().await;
        assert_adds_up(&self.env, &self.expected, Copies::Three).await;
        worker.stop().await;
        self.env.remove().await;
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_death_after_receiving_leaves_all_with_the_broker() {
    let death = Death::at("received:1").await;

    assert_eq!(death.env.count("handled_messages").await, 0);
    eventually("all commands are back", || async {
        death.commands_in_queue().await == death.expected.messages
    })
    .await;
    death.assert_overcome().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_death_between_writing_and_the_commit_leaves_nothing_written() {
    let death = Death::at("written:1").await;

    assert_eq!(death.env.count("handled_messages").await, 0);
    assert_eq!(death.env.count("outbox").await, 0);
    death.assert_overcome().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_death_between_the_commit_and_the_acknowledgement_doubles_nothing() {
    let death = Death::at("committed:1").await;

    assert_ne!(death.env.count("handled_messages").await, 0);
    eventually("all commands are back", || async {
        death.commands_in_queue().await == death.expected.messages
    })
    .await;
    death.assert_overcome().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_death_before_publishing_leaves_the_events_in_the_outbox() {
    let death = Death::at("publishing:1").await;

    assert_ne!(death.env.count("outbox").await, 0);
    assert_eq!(death.events_in_queue().await, 0);
    death.assert_overcome().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_death_between_publishing_and_the_confirm_keeps_the_events_in_the_outbox() {
    let death = Death::at("published:2").await;

    assert_ne!(death.env.count("outbox").await, 0);
    death.assert_overcome().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_death_between_the_confirm_and_the_outbox_costs_copies_at_most() {
    let death = Death::at("confirmed:1").await;

    let outbox = death.env.count("outbox").await;
    assert!(outbox > 0 && death.events_in_queue().await > 0);
    death.assert_overcome().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_death_among_acknowledgements_loses_none_and_doubles_none() {
    Death::at("acknowledged:3").await.assert_overcome().await;
}

/// The first events or their confirms are swallowed on their way; then the worker is killed.
async fn killed_while_the_relay(reaction: Reaction) -> TestEnv {
    let relay = Relay::to(host_of(&variable("AMQP_URL")));
    let amqp_url = relay.in_place_of(&variable("AMQP_URL"));
    let env = TestEnv::at_addresses(&amqp_url, &variable("DATABASE_URL")).await;
    env.prepare();
    subscribe(&env);
    let orders: Vec<String> = (0..30).map(|n| place(&n.to_string())).collect();
    amqp_client::publish(&env, &orders).await;

    relay.on_request(b"order.status.", reaction, 1);
    // More than the prefetch can only be handled when some have been acknowledged.
    let worker = env.spawn_worker_with(&["--lanes", "1", "--prefetch", "5"]);
    eventually("acknowledged commands wait to be published", || async {
        env.count("outbox").await > 5 && relay.reactions() == 1
    })
    .await;
    let amqp = AmqpClient::on(&env).await;
    if reaction == Reaction::SwallowAnswers {
        eventually("events have arrived", || async { amqp.depth(&subscriber_of(&env)).await > 0 })
            .await;
    }
    worker.kill();
    // In one look: a commit that has reached the database may still take effect.
    let difference = "select (select count(*) from orders) - (select count(*) from outbox)";
    assert_eq!(env.ask(difference).await, ["0"]);
    env
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn events_of_acknowledged_commands_outlive_a_kill() {
    let env = killed_while_the_relay(Reaction::Swallow).await;
    let amqp = AmqpClient::on(&env).await;
    assert_eq!(amqp.depth(&subscriber_of(&env)).await, 0);

    let worker = env.start_worker().await;

    let got = env.foreign_client(&["events", &subscriber_of(&env), "30"]);
    assert_eq!(got.lines().count(), 30);
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn events_whose_confirm_got_lost_come_twice_under_one_id() {
    let env = killed_while_the_relay(Reaction::SwallowAnswers).await;

    let worker = env.start_worker().await;

    eventually("the outbox is empty", || async { env.count("outbox").await == 0 }).await;
    let got = env.foreign_client(&["events", &subscriber_of(&env), "30"]);
    assert!((31..=60).contains(&got.lines().count()), "{got}");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn twenty_five_kills_with_full_hands_make_no_dead_letter() {
    let env = TestEnv::new().await;
    env.prepare();
    let amqp = AmqpClient::on(&env).await;
    let orders: Vec<String> = (0..200).map(|n| place(&n.to_string())).collect();
    amqp_client::publish(&env, &orders).await;
    let queue = env.name_of("COMMANDS_QUEUE");
    // Nobody can place an order meanwhile.
    let mut lock = env.foreign_session().await;
    lock.execute("begin; lock table orders in exclusive mode").await.unwrap();

    for _ in 0..25 {
        let worker = env.spawn_worker_with(&["--declare-topology=false", "--migrate=false"]);
        eventually("the worker has its hands full", || async { amqp.depth(&queue).await == 0 })
            .await;
        worker.kill();
        eventually("all commands are back", || async { amqp.depth(&queue).await == 200 }).await;
    }

    lock.execute("rollback").await.unwrap();
    let worker = env.start_worker().await;
    eventually("all orders are placed", || async { env.count("orders").await == 200 }).await;
    assert_eq!(env.foreign_client(&["dead-letters", "0"]), "");
    worker.stop().await;
    env.remove().await;
}

/// A worker at work on a story that it cannot finish: from the hundredth order on, placing one waits
/// for a lock that the session holds.
async fn stuck_worker(env: &TestEnv, options: &[&str]) -> (Worker, sqlx::PgConnection) {
    env.before_each_order(
        "if nextval('passages') > 100 then
                perform pg_advisory_xact_lock_shared(hashtext(current_schema()));
             end if",
    )
    .await;
    let mut lock = env.foreign_session().await;
    lock.execute("select pg_advisory_lock(hashtext(current_schema()))").await.unwrap();
    let worker = env.spawn_worker_with(options);
    eventually("the worker is at work", || async { env.count("handled_messages").await > 0 }).await;
    eventually("the worker waits for the lock", || async {
        env.sessions("wait_event_type = 'Lock'").await > 0
    })
    .await;
    (worker, lock)
}

async fn ends_with(options: &[&str], signals: usize, exit_code: i32) {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let expected = publish(&env, "12", 2_000);
    let (worker, lock) = stuck_worker(&env, options).await;

    for _ in 0..signals {
        worker.tell_to_stop();
        eventually("the signal is heard", || async { worker.log().contains("Stopping") }).await;
    }

    assert_eq!(worker.ended().await.code(), Some(exit_code));
    lock.close().await.unwrap();
    let worker = env.start_worker().await;
    assert_adds_up(&env, &expected, Copies::Three).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_second_signal_ends_the_worker_at_once() {
    ends_with(&["--batch-max", "20"], 2, 143).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_that_cannot_finish_ends_after_its_grace_period() {
    ends_with(&["--batch-max", "20", "--shutdown-grace-seconds", "1"], 1, 1).await;
}
