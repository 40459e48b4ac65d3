//! Publishers that mean no good, or know no better.

use std::fs;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use crate::amqp_client::{AmqpClient, place, publish as publish_orders};
use crate::test_env::{PATIENT_RELAY, TestEnv, Worker, eventually};
use crate::workload::{assert_goes_on, subscribe};

/// The most memory that a process ever had, in MiB.
pub fn peak_memory_mib(worker: &Worker) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", worker.process_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[expect(clippy::disallowed_methods, reason = "how long the tests attack is no setting")]
fn attack_option(name: &str, default: &str) -> String {
    std::env::var(format!("ORDER_WORKER_TEST_ATTACK_{name}")).unwrap_or_else(|_| default.to_owned())
}

fn hostile(env: &TestEnv, arguments: &[&str]) -> String {
    env.foreign_script("hostile.py", arguments)
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn headers_nested_thousands_deep_end_as_dead_letters_and_kill_no_worker() {
    let env = TestEnv::collecting().await;
    env.prepare();
    let commands = env.name_of("COMMANDS_EXCHANGE");
    let dead_letters = env.name_of("DEAD_LETTER_EXCHANGE");
    let orders: Vec<String> = (0..100).map(|n| place(&n.to_string())).collect();
    hostile(&env, &["nested", &commands, "8000", "in front"]);
    publish_orders(&env, &orders[..50]).await;
    hostile(&env, &["nested", &commands, "25000", "among"]);
    publish_orders(&env, &orders[50..]).await;
    hostile(&env, &["nested", &commands, "33", "behind"]);
    // Where the collector meets it.
    hostile(&env, &["nested", &dead_letters, "8000", "dead already"]);

    let mut worker = env.start_worker().await;

    eventually("its neighbours are placed", || async { env.count("orders").await == 100 }).await;
    eventually("they are dead letters", || async { env.count("dead_letters").await == 4 }).await;
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
    assert_goes_on(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn properties_that_are_not_utf8_cost_no_connection() {
    let env = TestEnv::collecting().await;
    env.prepare();
    let orders: Vec<String> = (0..40).map(|n| place(&n.to_string())).collect();
    publish_orders(&env, &orders[..20]).await;
    hostile(&env, &["not-utf8", "{\"odd\": true}"]);
    publish_orders(&env, &orders[20..]).await;

    let worker = env.start_worker().await;

    eventually("its neighbours are placed", || async { env.count("orders").await == 40 }).await;
    eventually("they are dead letters", || async { env.count("dead_letters").await == 5 }).await;
    let bodies = env.ask("select distinct convert_from(body, 'UTF8') from dead_letters").await;
    assert_eq!(bodies, ["{\"odd\": true}"], "and no other message is");
    assert!(!worker.log().contains("cannot be consumed"), "{}", worker.log());
    assert_goes_on(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn large_bodies_are_taken_as_far_as_there_is_memory_for_them() {
    let env = TestEnv::collecting().await;
    env.prepare();
    hostile(&env, &["large", "30", &(8 * 1024 * 1024).to_string()]);
    publish_orders(&env, &[place("behind")]).await;

    let worker = env.start_worker().await;

    eventually("the order is placed", || async { env.count("orders").await == 1 }).await;
    eventually("they are dead letters", || async { env.count("dead_letters").await == 30 }).await;
    let dead_letters = "select distinct code || ' ' || length(body) from dead_letters";
    assert_eq!(env.ask(dead_letters).await, ["too_large 8388608"]);
    let peak = peak_memory_mib(&worker);
    assert!(peak < 200, "{peak} MiB for 240 MiB of messages");
    assert!(!worker.log().contains("are requeued"), "{}", worker.log());
    worker.stop().await;
    env.remove().await;
}

/// RabbitMQ closes a connection that takes nothing for 30 s; what is in hand would come again, and
/// again, until it is a dead letter.
#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn messages_in_hand_that_cannot_be_handled_cost_no_connection() {
    let env = TestEnv::new().await;
    env.prepare();
    let padding = format!("{{\"padding\": \"{}\",", "x".repeat(100 * 1024));
    let orders: Vec<String> =
        (0..200).map(|n| place(&n.to_string()).replacen('{', &padding, 1)).collect();
    publish_orders(&env, &orders).await;
    let mut session = env.foreign_session().await;
    sqlx::raw_sql("begin; lock table orders").execute(&mut session).await.unwrap();

    // Room for five of them.
    let worker = env.start_worker_with(&["--max-in-flight-bytes=1048576"]).await;

    eventually("the rest is given up", || async { worker.log().contains("are requeued") }).await;
    // Nothing that could be waited for is to happen: the broker's 30 s pass.
    tokio::time::sleep(Duration::from_secs(25)).await;
    sqlx::raw_sql("rollback").execute(&mut session).await.unwrap();
    eventually("all are placed", || async { env.count("orders").await == 200 }).await;
    assert!(!worker.log().contains("cannot be consumed"), "{}", worker.log());
    let amqp = AmqpClient::on(&env).await;
    assert_eq!(amqp.depth(&env.name_of("DEAD_LETTER_QUEUE")).await, 0);
    assert_goes_on(&env).await;
    worker.stop().await;
    env.remove().await;
}

/// Orders of others go on while somebody with the right to publish commands does what he can.
#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_hostile_publisher_stops_nobodys_orders() {
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
        eventually("an honest order is placed", || async {
            let honest = env.count("orders where order_id like 'honest-%'").await;
            honest == placed
        })
        .await;
    }
    let sent = attack.printed();

    assert!(placed > 3, "only {placed} orders were placed beside {sent}");
    let commands = env.name_of("COMMANDS_QUEUE");
    eventually("all of it is taken", || async { amqp.depth(&commands).await == 0 }).await;
    assert_goes_on(&env).await;
    assert!(worker.is_running(), "{}", worker.log());
    let peak = peak_memory_mib(&worker);
    println!(
        "{placed} honest orders were placed beside {sent}; the worker took {peak} MiB at most"
    );
    assert!(peak < 256, "{peak} MiB under {sent}");
    worker.stop().await;
    env.remove().await;
}

/// A queue that takes nothing.
async fn full_queue(amqp: &AmqpClient) -> String {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(0));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = amqp.channel().queue_declare("".into(), options, arguments).await.unwrap();
    queue.name().as_str().to_owned()
}
