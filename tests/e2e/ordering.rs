//! The order of commands with several workers.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::BasicProperties;
use serde_json::Value;
use sqlx::Executor;
use tokio::time::sleep;

use crate::amqp_client::{AmqpClient, place};
use crate::test_env::{Script, TestEnv, printed};
use crate::workload::{subscribe, subscriber_of};

pub const ORDERS: usize = 60;
const ROUNDS: usize = 12;
/// Of each order: it is placed, and its status is set twice in each round.
const COMMANDS: usize = 1 + 2 * ROUNDS;

/// How long the publisher takes at least: workers come and go meanwhile.
const SECONDS: &str = "12";

const WITH_HEADER: &str = "order-id";
pub const WITHOUT_HEADER: &str = "none";

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_second_worker_stands_by_and_takes_over_in_order() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let first = env.start_worker().await;
    let second = env.spawn_worker();
    let mut publisher = publish(&env, WITHOUT_HEADER);
    env.wait_for_count("orders", ORDERS).await;

    first.kill();
    sleep(Duration::from_secs(2)).await;
    let third = env.spawn_worker();
    assert!(publisher.is_running(), "the publisher goes on meanwhile");
    publisher.printed();

    assert_in_order(&env).await;
    for worker in [second, third] {
        worker.stop().await;
    }
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_stopped_worker_returns_what_it_holds_before_the_next_one_takes_over() {
    let env = TestEnv::new().await;
    env.prepare();
    let few_at_a_time = ["--prefetch=10"];
    let stopped = env.start_worker_with(&few_at_a_time).await;
    let next = env.start_worker_with(&few_at_a_time).await;
    let amqp = AmqpClient::on(&env).await;
    amqp.send("order.place", place("1").as_bytes(), BasicProperties::default()).await;
    env.wait_for_count("orders", 1).await;
    let mut lock = env.database_session().await;
    lock.execute("begin; select from orders where order_id = '1' for update").await.unwrap();
    for number in 0..30 {
        let status = ["Shipping", "Received"][number % 2];
        let body = format!(r#"{{"order_id": "1", "status": "{status}"}}"#);
        let properties = BasicProperties::default().with_message_id(format!("{number:02}").into());
        amqp.send("order.set_status", body.as_bytes(), properties).await;
    }
    // The first worker holds ten of them, and cannot commit any.
    amqp.wait_for_depth(&env.name_of("COMMANDS_QUEUE"), 20).await;

    stopped.stop().await;
    lock.execute("rollback").await.unwrap();

    env.wait_for_count("orders where version = 31", 1).await;
    assert_eq!(overtaken(&env).await, [] as [String; 0]);
    next.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn eight_partitions_keep_the_order_of_commands_while_workers_come_and_go() {
    keeps_order_while_workers_come_and_go(WITH_HEADER).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn commands_without_the_header_keep_their_order_in_partitions() {
    keeps_order_while_workers_come_and_go(WITHOUT_HEADER).await;
}

async fn keeps_order_while_workers_come_and_go(header: &str) {
    let env = TestEnv::new().await.with("PARTITIONS", "8");
    env.prepare();
    subscribe(&env);
    let first = env.start_worker().await;
    let mut publisher = publish(&env, header);
    let second = env.spawn_worker();
    env.wait_for_count("orders", ORDERS).await;

    let third = env.spawn_worker();
    sleep(Duration::from_secs(2)).await;
    first.kill();
    sleep(Duration::from_secs(1)).await;
    let fourth = env.spawn_worker();
    second.stop().await;
    assert!(publisher.is_running(), "the publisher goes on meanwhile");
    publisher.printed();

    assert_in_order(&env).await;
    for worker in [third, fourth] {
        worker.stop().await;
    }
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_repartition_keeps_the_order_of_commands_while_publishers_go_on() {
    let mut env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let old = env.start_worker().await;
    let mut publisher = publish(&env, WITH_HEADER);
    env.wait_for_count("orders", ORDERS).await;

    let repartition = env.spawn_program(&["topology", "repartition", "4"]);
    sleep(Duration::from_secs(3)).await;
    old.stop().await;
    let said = repartition.printed();
    assert!(said.contains("PARTITIONS=4"), "{said}");
    env = env.with("PARTITIONS", "4");
    let new = env.start_worker().await;
    assert!(publisher.is_running(), "the publisher goes on meanwhile");
    publisher.printed();

    assert_in_order(&env).await;
    new.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_with_another_number_of_partitions_does_not_start() {
    let env = TestEnv::new().await.with("PARTITIONS", "4");
    env.prepare();

    for (setting, advice) in [("--partitions=8", "repartition"), ("--partitions=1", "repartition")]
    {
        let refused = env.program(&["run", setting]).output().unwrap();
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && error.contains(advice), "{setting}: {error}");
    }
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_queue_that_is_not_ordered_is_refused_and_the_error_names_the_setting() {
    let env = TestEnv::new().await;
    printed(&env.program(&["topology", "apply", "--ordered=false"]).output().unwrap());

    let refused = env.program(&["run"]).output().unwrap();

    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{error}");
    assert!(error.contains("ORDERED") && error.contains("x-single-active-consumer"), "{error}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_queue_that_was_not_ordered_is_replaced_without_losing_commands() {
    let mut env = TestEnv::new().await;
    printed(&env.program(&["migrate"]).output().unwrap());
    printed(&env.program(&["topology", "apply", "--ordered=false"]).output().unwrap());
    subscribe(&env);
    let old = env.start_worker_with(&["--ordered=false"]).await;
    let mut publisher = publish(&env, WITHOUT_HEADER);
    env.wait_for_count("orders", ORDERS).await;

    let arguments = ["topology", "repartition", "2", "--new-ordered=true", "--ordered=false"];
    let repartition = env.spawn_program(&arguments);
    sleep(Duration::from_secs(3)).await;
    old.stop().await;
    repartition.printed();
    env = env.with("PARTITIONS", "2");
    let workers = [env.start_worker().await, env.spawn_worker()];
    assert!(publisher.is_running(), "the publisher goes on meanwhile");
    publisher.printed();

    assert_in_order(&env).await;
    for worker in workers {
        worker.stop().await;
    }
    env.remove().await;
}

pub fn publish(env: &TestEnv, header: &str) -> Script {
    let (orders, rounds) = (ORDERS.to_string(), ROUNDS.to_string());
    env.spawn_script("ordered.py", &[&orders, &rounds, SECONDS, header], &[])
}

/// All commands took effect once, those of each order in the order of their publication, and the first
/// copies of the events came in the order of versions.
pub async fn assert_in_order(env: &TestEnv) {
    env.wait_for_count(&format!("orders where version = {COMMANDS}"), ORDERS).await;
    env.wait_for_count("outbox", 0).await;
    assert_eq!(overtaken(env).await, [] as [String; 0]);
    assert_eq!(env.count("handled_messages").await, ORDERS * COMMANDS);

    let events = (ORDERS * COMMANDS).to_string();
    let events = env.python_client(&["events", &subscriber_of(env), &events]);
    let mut versions = BTreeMap::<String, u64>::new();
    for line in events.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let event = &line["event"];
        let version = event["version"].as_u64().unwrap();
        let latest = versions.entry(event["order_id"].to_string()).or_default();
        assert!(version <= *latest + 1, "version {version} comes after {latest}: {event}");
        *latest = version.max(*latest);
    }
    assert_eq!(versions.len(), ORDERS);
    assert_eq!(env.python_client(&["dead-letters", "0"]).lines().count(), 0);
}

/// Commands that took effect after one that was published later.
async fn overtaken(env: &TestEnv) -> Vec<String> {
    env.ask(
        "select order_id || ': ' || caused_by || ' after ' || before from (
             select order_id, caused_by,
                    lag(caused_by) over (partition by order_id order by version) as before
             from order_history) as h
         where before >= caused_by",
    )
    .await
}
