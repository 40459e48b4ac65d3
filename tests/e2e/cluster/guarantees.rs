//! What holds after every fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;
use tokio::time::timeout;

use super::publishers::{Published, status_after};
use crate::amqp_client::AmqpClient;
use crate::test_env::{TestEnv, eventually};
use crate::workload::subscriber_of;

/// Declares a replicated queue for all events.
pub async fn subscribe(env: &TestEnv) {
    let amqp = AmqpClient::on(env).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let queue = subscriber_of(env);
    amqp.channel().queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
    amqp.bind(&queue, &env.name_of("EVENTS_EXCHANGE"), "order.#").await;
}

/// Each confirmed command took effect once, those of an order in the order of their publication,
/// and none is a dead letter. Each change has its event, and the first copies of the events of an
/// order came in the order of versions. Returns the number of further copies.
pub async fn assert_guarantees(env: &TestEnv, published: &Published) -> usize {
    let commands = published.commands.values().sum();
    wait_for_orders(env, published).await;
    env.wait_for_count("outbox", 0).await;
    assert_eq!(env.count("handled_messages").await, commands);
    assert_eq!(env.count("order_history").await, commands);
    let out_of_order = "select order_id || ' ' || version || ': ' || caused_by from order_history
                        where caused_by <> order_id || '-' || lpad((version - 1)::text, 6, '0')";
    assert_eq!(env.ask(out_of_order).await, [] as [String; 0]);
    let amqp = AmqpClient::on(env).await;
    let copies = read_events(env, &amqp, commands).await;
    assert_eq!(amqp.depth(&env.name_of("DEAD_LETTER_QUEUE")).await, 0, "dead letters");
    copies
}

/// Waits until each order has the version and the status of its last command.
async fn wait_for_orders(env: &TestEnv, published: &Published) {
    let expected: BTreeSet<String> = published
        .commands
        .iter()
        .map(|(order_id, &commands)| format!("{order_id} {commands} {}", status_after(commands)))
        .collect();
    let orders = || async {
        let orders =
            env.ask("select order_id || ' ' || version || ' ' || status from orders").await;
        orders.into_iter().collect::<BTreeSet<_>>()
    };
    eventually("the last command of each order has taken effect", || async {
        orders().await == expected
    })
    .await;
}

/// Reads the event of each change; returns the number of further copies.
async fn read_events(env: &TestEnv, amqp: &AmqpClient, changes: usize) -> usize {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let queue = subscriber_of(env);
    let consume = amqp.channel().basic_consume(
        queue.as_str().into(),
        "".into(),
        options,
        FieldTable::default(),
    );
    let mut events = consume.await.unwrap();
    let mut ids = BTreeSet::new();
    let mut versions = BTreeMap::<String, u64>::new();
    let mut copies = 0;
    // Copies may still come after the last event; the outbox is empty, so they are in the queue.
    let mut patience = Duration::from_secs(60);
    while let Ok(delivery) = timeout(patience, events.next()).await {
        let event: Value = serde_json::from_slice(&delivery.unwrap().unwrap().data).unwrap();
        if !ids.insert(event["event_id"].to_string()) {
            copies += 1;
            continue;
        }
        let version = versions.entry(event["order_id"].to_string()).or_default();
        *version += 1;
        assert_eq!(event["version"], *version, "out of order: {event}");
        if ids.len() == changes {
            patience = Duration::from_secs(1);
        }
    }
    assert_eq!(ids.len(), changes, "events");
    copies
}
