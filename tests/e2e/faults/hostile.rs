//! Publishers that mean no good, or know no better.

use std::fs;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use crate::shop::{Shop, place, publish as publish_orders};
use crate::story::{assert_goes_on, subscribe};
use crate::surroundings::{PATIENT_RELAY, Surroundings, Worker, eventually};

/// The most memory that a process ever had, in MiB.
pub fn peak_memory_mib(worker: &Worker) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", worker.process_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

fn hostile(surroundings: &Surroundings, arguments: &[&str]) -> String {
    surroundings.foreign_script("hostile.py", arguments)
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn headers_nested_thousands_deep_end_as_dead_letters_and_kill_no_worker() {
    let surroundings = Surroundings::collecting().await;
    surroundings.prepare();
    let commands = surroundings.name_of("COMMANDS_EXCHANGE");
    let dead_letters = surroundings.name_of("DEAD_LETTER_EXCHANGE");
    let orders: Vec<String> = (0..100).map(|n| place(&n.to_string())).collect();
    hostile(&surroundings, &["nested", &commands, "8000", "in front"]);
    publish_orders(&surroundings, &orders[..50]).await;
    hostile(&surroundings, &["nested", &commands, "25000", "among"]);
    publish_orders(&surroundings, &orders[50..]).await;
    hostile(&surroundings, &["nested", &commands, "33", "behind"]);
    // Where the collector meets it.
    hostile(&surroundings, &["nested", &dead_letters, "8000", "dead already"]);

    let mut worker = surroundings.start_worker().await;

    eventually("its neighbours are placed", || async { surroundings.count("orders").await == 100 })
        .await;
    eventually("they are dead letters", || async { surroundings.count("dead_letters").await == 4 })
        .await;
    let dead_letters = surroundings
        .ask("select code || ': ' || convert_from(body, 'UTF8') from dead_letters order by 1")
        .await;
    assert!(worker.is_running());
    assert_eq!(
        dead_letters[..3],
        ["invalid_field: among", "invalid_field: behind", "invalid_field: in front"]
    );
    let listed = surroundings.program(&["dead-letters", "show", "1", "--json"]).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert_goes_on(&surroundings).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn properties_that_are_not_utf8_cost_no_connection() {
    let surroundings = Surroundings::collecting().await;
    surroundings.prepare();
    let orders: Vec<String> = (0..40).map(|n| place(&n.to_string())).collect();
    publish_orders(&surroundings, &orders[..20]).await;
    hostile(&surroundings, &["not-utf8", "{\"odd\": true}"]);
    publish_orders(&surroundings, &orders[20..]).await;

    let worker = surroundings.start_worker().await;

    eventually("its neighbours are placed", || async { surroundings.count("orders").await == 40 })
        .await;
    eventually("they are dead letters", || async { surroundings.count("dead_letters").await == 5 })
        .await;
    let bodies =
        surroundings.ask("select distinct convert_from(body, 'UTF8') from dead_letters").await;
    assert_eq!(bodies, ["{\"odd\": true}"], "and no other message is");
    assert!(!worker.log().contains("cannot be consumed"), "{}", worker.log());
    assert_goes_on(&surroundings).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn large_bodies_are_taken_as_far_as_there_is_memory_for_them() {
    let surroundings = Surroundings::collecting().await;
    surroundings.prepare();
    hostile(&surroundings, &["large", "30", &(8 * 1024 * 1024).to_string()]);
    publish_orders(&surroundings, &[place("behind")]).await;

    let worker = surroundings.start_worker().await;

    eventually("the order is placed", || async { surroundings.count("orders").await == 1 }).await;
    eventually("they are dead letters", || async {
        surroundings.count("dead_letters").await == 30
    })
    .await;
    let dead_letters = "select distinct code || ' ' || length(body) from dead_letters";
    assert_eq!(surroundings.ask(dead_letters).await, ["too_large 8388608"]);
    let peak = peak_memory_mib(&worker);
    assert!(peak < 200, "{peak} MiB for 240 MiB of messages");
    assert!(!worker.log().contains("handed back"), "{}", worker.log());
    worker.stop().await;
    surroundings.remove().await;
}

/// RabbitMQ closes a connection that takes nothing for 30 s; what is in hand would come again, and
/// again, until it is a dead letter.
#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn messages_in_hand_that_cannot_be_handled_cost_no_connection() {
    let surroundings = Surroundings::new().await;
    surroundings.prepare();
    let padding = format!("{{\"padding\": \"{}\",", "x".repeat(100 * 1024));
    let orders: Vec<String> =
        (0..200).map(|n| place(&n.to_string()).replacen('{', &padding, 1)).collect();
    publish_orders(&surroundings, &orders).await;
    let mut session = surroundings.foreign_session().await;
    sqlx::raw_sql("begin; lock table orders").execute(&mut session).await.unwrap();

    // Room for five of them.
    let worker = surroundings.start_worker_with(&["--max-in-flight-bytes=1048576"]).await;

    eventually("the rest is given up", || async { worker.log().contains("handed back") }).await;
    // Nothing that could be waited for is to happen: the broker's 30 s pass.
    tokio::time::sleep(Duration::from_secs(25)).await;
    sqlx::raw_sql("rollback").execute(&mut session).await.unwrap();
    eventually("all are placed", || async { surroundings.count("orders").await == 200 }).await;
    assert!(!worker.log().contains("cannot be consumed"), "{}", worker.log());
    let shop = Shop::on(&surroundings).await;
    assert_eq!(shop.depth(&surroundings.name_of("DEAD_LETTER_QUEUE")).await, 0);
    assert_goes_on(&surroundings).await;
    worker.stop().await;
    surroundings.remove().await;
}

/// Orders of others go on while somebody with the right to publish commands does what he can.
#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_hostile_publisher_stops_nobodys_orders() {
    let surroundings = Surroundings::collecting().await;
    surroundings.prepare();
    subscribe(&surroundings);
    let shop = Shop::on(&surroundings).await;
    let full = full_queue(&shop).await;
    let seed = std::env::var("ORDER_WORKER_TEST_ATTACK_SEED").unwrap_or("2026".to_owned());
    let seconds = std::env::var("ORDER_WORKER_TEST_ATTACK_SECONDS").unwrap_or("20".to_owned());
    let mut worker = surroundings.start_worker_with(&[PATIENT_RELAY]).await;
    let mut attack = surroundings.spawn_script(
        "hostile.py",
        &["attack", &seed, &seconds],
        &[("REPLY_QUEUES", full.as_str())],
    );

    let mut placed = 0;
    while attack.is_running() {
        let order = place(&format!("honest-{placed}"));
        publish_orders(&surroundings, &[order]).await;
        placed += 1;
        eventually("an honest order is placed", || async {
            let honest = surroundings.count("orders where order_id like 'honest-%'").await;
            honest == placed
        })
        .await;
    }
    let sent = attack.printed();

    assert!(placed > 3, "only {placed} orders were placed beside {sent}");
    let commands = surroundings.name_of("COMMANDS_QUEUE");
    eventually("all of it is taken", || async { shop.depth(&commands).await == 0 }).await;
    assert_goes_on(&surroundings).await;
    assert!(worker.is_running(), "{}", worker.log());
    let peak = peak_memory_mib(&worker);
    println!(
        "{placed} honest orders were placed beside {sent}; the worker took {peak} MiB at most"
    );
    assert!(peak < 256, "{peak} MiB under {sent}");
    worker.stop().await;
    surroundings.remove().await;
}

/// A queue that takes nothing.
async fn full_queue(shop: &Shop) -> String {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(0));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = shop.channel().queue_declare("".into(), options, arguments).await.unwrap();
    queue.name().as_str().to_owned()
}
