//! Hostile and careless publishers.

use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use crate::amqp_client::{AmqpClient, orders, padded, place, publish_orders};
use crate::test_env::{PATIENT_RELAY, TestEnv, logged};
use crate::workload::{assert_processes_new_orders, subscribe};

#[expect(clippy::disallowed_methods, reason = "the duration of the attack is not a setting")]
fn attack_option(name: &str, default: &str) -> String {
    std::env::var(format!("ORDER_WORKER_TEST_ATTACK_{name}")).unwrap_or_else(|_| default.to_owned())
}

fn hostile(env: &TestEnv, arguments: &[&str]) -> String {
    env.python_script("hostile.py", arguments)
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn headers_nested_thousands_deep_become_dead_letters_and_crash_no_worker() {
    let env = TestEnv::collecting().await;
    env.prepare();
    let commands = env.name_of("COMMANDS_EXCHANGE");
    let dead_letters = env.name_of("DEAD_LETTER_EXCHANGE");
    let orders = orders(0..100);
    hostile(&env, &["nested", &commands, "8000", "in front"]);
    publish_orders(&env, &orders[..50]).await;
    hostile(&env, &["nested", &commands, "25000", "among"]);
    publish_orders(&env, &orders[50..]).await;
    hostile(&env, &["nested", &commands, "33", "behind"]);
    // For the collector.
    hostile(&env, &["nested", &dead_letters, "8000", "dead already"]);

    let mut worker = env.start_worker().await;

    env.wait_for_count("orders", 100).await;
    env.wait_for_count("dead_letters", 4).await;
    let dead_letters = env
        .ask("select code || ': ' || convert_from(body, 'UTF8') from dead_letters order by 1")
        .await;
    assert!(worker.is_running());
    assert_eq!(
        dead_letters[..3],
        ["invalid_field: among", "invalid_field: behind", "invalid_field: in front"]
    );
    let listed = env.program(&["dead-letters", "show", "1", "--json"]).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn properties_that_are_not_utf8_cost_no_connection() {
    let env = TestEnv::collecting().await;
    env.prepare();
    let orders = orders(0..40);
    publish_orders(&env, &orders[..20]).await;
    hostile(&env, &["not-utf8", "{\"odd\": true}"]);
    publish_orders(&env, &orders[20..]).await;

    let worker = env.start_worker().await;

    env.wait_for_count("orders", 40).await;
    env.wait_for_count("dead_letters", 5).await;
    let bodies = env.ask("select distinct convert_from(body, 'UTF8') from dead_letters").await;
    assert_eq!(bodies, ["{\"odd\": true}"], "only these are dead letters");
    assert!(!worker.log().contains(logged::CONSUMING_STOPPED), "{}", worker.log());
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn large_bodies_are_received_within_the_memory_limit() {
    let env = TestEnv::collecting().await;
    env.prepare();
    hostile(&env, &["large", "30", &(8 * 1024 * 1024).to_string()]);
    publish_orders(&env, &[place("behind")]).await;

    let worker = env.start_worker().await;

    env.wait_for_count("orders", 1).await;
    env.wait_for_count("dead_letters", 30).await;
    let dead_letters = "select distinct code || ' ' || length(body) from dead_letters";
    assert_eq!(env.ask(dead_letters).await, ["too_large 8388608"]);
    let peak = worker.peak_memory_mib();
    assert!(peak < 200, "{peak} MiB for 240 MiB of messages");
    assert!(!worker.log().contains("are requeued"), "{}", worker.log());
    worker.stop().await;
    env.remove().await;
}

/// RabbitMQ closes a connection that reads nothing for 30 s; its unacknowledged messages would be
/// redelivered again and again until they become dead letters.
#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_full_memory_limit_costs_no_connection() {
    let env = TestEnv::new().await;
    env.prepare();
    publish_large_orders(&env, 200).await;
    let mut session = env.database_session().await;
    sqlx::raw_sql("begin; lock table orders").execute(&mut session).await.unwrap();

    // Memory for five of them.
    let worker = env.start_worker_with(&["--max-in-flight-bytes=1048576"]).await;

    worker.wait_for_log("are requeued").await;
    // No event marks it: the broker's 30 s pass.
    tokio::time::sleep(Duration::from_secs(25)).await;
    sqlx::raw_sql("rollback").execute(&mut session).await.unwrap();
    env.wait_for_count("orders", 200).await;
    assert!(!worker.log().contains(logged::CONSUMING_STOPPED), "{}", worker.log());
    let amqp = AmqpClient::on(&env).await;
    assert_eq!(amqp.depth(&env.name_of("DEAD_LETTER_QUEUE")).await, 0);
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

/// Orders of other publishers are processed while one with permission to publish commands attacks.
#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_hostile_publisher_does_not_stop_other_orders() {
    let env = TestEnv::collecting().await;
    env.prepare();
    subscribe(&env);
    let amqp = AmqpClient::on(&env).await;
    let full = full_queue(&amqp).await;
    let seed = attack_option("SEED", "2026");
    let seconds = attack_option("SECONDS", "20");
    let mut worker = env.start_worker_with(&[PATIENT_RELAY]).await;
    let mut attack = env.spawn_script(
        "hostile.py",
        &["attack", &seed, &seconds],
        &[("REPLY_QUEUES", full.as_str())],
    );

    let mut placed = 0;
    while attack.is_running() {
        let order = place(&format!("honest-{placed}"));
        publish_orders(&env, &[order]).await;
        placed += 1;
        env.wait_for_count("orders where order_id like 'honest-%'", placed).await;
    }
    let sent = attack.printed();

    assert!(placed > 3, "only {placed} orders were placed during {sent}");
    let commands = env.name_of("COMMANDS_QUEUE");
    amqp.wait_for_depth(&commands, 0).await;
    assert_processes_new_orders(&env).await;
    assert!(worker.is_running(), "{}", worker.log());
    let peak = worker.peak_memory_mib();
    println!("{placed} honest orders were placed during {sent}; peak memory {peak} MiB");
    assert!(peak < 256, "{peak} MiB under {sent}");
    worker.stop().await;
    env.remove().await;
}

/// Orders of 100 KiB.
pub async fn publish_large_orders(env: &TestEnv, count: usize) {
    let orders: Vec<String> =
        orders(0..count).iter().map(|order| padded(order, 100 * 1024)).collect();
    publish_orders(env, &orders).await;
}

/// A queue that accepts nothing.
async fn full_queue(amqp: &AmqpClient) -> String {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(0));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = amqp.channel().queue_declare("".into(), options, arguments).await.unwrap();
    queue.name().as_str().to_owned()
}
