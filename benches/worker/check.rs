//! Checks the result of a run: every order in its expected state, every event exactly once, nothing
//! left in outbox and queues. A run that is fast and wrong is a failure.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use serde::Deserialize;
use sqlx::Row;

use crate::Failure;
use crate::bench_env::BenchEnv;
use crate::workload::{Expected, ExpectedOrder};

/// For the outbox to drain and the dead letters to be collected.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The fields that identify an event.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event_id")]
    id: String,
    order_id: String,
    /// None in a rejection.
    version: Option<i32>,
}

/// Waits until the outbox is empty and all dead letters are collected.
pub async fn wait_until_drained(env: &BenchEnv<'_>, expected: &Expected) -> Result<(), Failure> {
    let deadline = Instant::now() + TIMEOUT;
    let expected = i64::try_from(expected.dead_letters)?;
    loop {
        let outbox = env.count("select count(*) from outbox").await?;
        let dead_letters = env.count("select count(*) from dead_letters").await?;
        if outbox == 0 && dead_letters >= expected {
            return Ok(());
        }
        if Instant::now() > deadline {
            let left = format!(
                "{outbox} rows in the outbox, {dead_letters} of {expected} dead letters collected"
            );
            return Err(format!("the worker does not finish: {left}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Compares tables, queues and events with what is expected, once the workers have stopped.
/// `more_orders` were in the tables before the run and are not checked.
pub async fn check(
    env: &BenchEnv<'_>,
    expected: &Expected,
    more_orders: usize,
) -> Result<(), Failure> {
    check_all_but_events(env, expected, more_orders).await?;
    check_events(env, expected).await
}

/// Like [`check`], where a subscriber has consumed the events.
pub async fn check_all_but_events(
    env: &BenchEnv<'_>,
    expected: &Expected,
    more_orders: usize,
) -> Result<(), Failure> {
    check_orders(env, expected, more_orders).await?;
    check_rows(env, expected, more_orders).await?;
    check_queues(env).await
}

async fn check_orders(env: &BenchEnv<'_>, expected: &Expected, more: usize) -> Result<(), Failure> {
    let rows = sqlx::query("select order_id, status, version from orders")
        .fetch_all(&mut env.session().await?)
        .await?;
    ensure_equal("orders", rows.len(), expected.orders.len() + more)?;
    let mut right = 0;
    for row in rows {
        let order_id: String = row.try_get("order_id")?;
        let known =
            ExpectedOrder { status: row.try_get("status")?, version: row.try_get("version")? };
        match expected.orders.get(&order_id) {
            Some(expected) if *expected == known => right += 1,
            Some(expected) => {
                return Err(format!("order {order_id} is {known:?}, not {expected:?}").into());
            }
            None => {}
        }
    }
    ensure_equal("orders in their expected state", right, expected.orders.len())
}

async fn check_rows(env: &BenchEnv<'_>, expected: &Expected, more: usize) -> Result<(), Failure> {
    let items_of_more = more * crate::growth::ITEMS_PER_ORDER;
    for (table, rows) in [
        ("order_items", expected.items + items_of_more),
        ("order_history", expected.changes + more),
        ("handled_messages", expected.handled + more),
        ("dead_letters", expected.dead_letters),
        ("dead_letters where code = 'malformed_json'", expected.dead_letters),
        ("outbox", 0),
    ] {
        let found = env.count(&format!("select count(*) from {table}")).await?;
        ensure_equal(&format!("rows in {table}"), usize::try_from(found)?, rows)?;
    }
    Ok(())
}

async fn check_queues(env: &BenchEnv<'_>) -> Result<(), Failure> {
    let topology = env.topology();
    let retries =
        (1..).zip(&topology.retry_delays).map(|(attempt, _)| topology.retry_queue(attempt));
    let queues =
        retries.chain([topology.commands_queue.clone(), topology.dead_letter_queue.clone()]);
    for queue in queues {
        ensure_equal(&format!("messages left in {queue}"), env.depth(&queue).await?, 0)?;
    }
    Ok(())
}

/// Consumes all events of the subscriber's queue: each change of an order once, in version order, and
/// each rejection once.
async fn check_events(env: &BenchEnv<'_>, expected: &Expected) -> Result<(), Failure> {
    let events = take_events(env, expected.events()).await?;
    let ids: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    ensure_equal("distinct events", ids.len(), expected.events())?;
    let mut versions: HashMap<&str, i32> = HashMap::new();
    let mut rejections = 0;
    for event in &events {
        let Some(version) = event.version else {
            rejections += 1;
            continue;
        };
        let before = versions.insert(&event.order_id, version).unwrap_or(0);
        if version != before + 1 {
            let order_id = &event.order_id;
            return Err(format!("order {order_id}: event {version} came after {before}").into());
        }
    }
    ensure_equal("rejections", rejections, expected.rejections)?;
    let right = versions.iter().filter(|(order_id, version)| {
        expected.orders.get(**order_id).is_some_and(|known| known.version == **version)
    });
    ensure_equal("orders with all events", right.count(), expected.orders.len())
}

async fn take_events(env: &BenchEnv<'_>, due: usize) -> Result<Vec<Event>, Failure> {
    let queue = env.subscriber();
    ensure_equal("events", env.depth(&queue).await?, due)?;
    let channel = env.channel().await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = channel
        .basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default())
        .await?;
    let mut events = Vec::with_capacity(due);
    while events.len() < due {
        let delivery = tokio::time::timeout(TIMEOUT, consumer.next()).await?;
        let delivery = delivery.ok_or("the broker ended the consumer")??;
        events.push(serde_json::from_slice(&delivery.data)?);
    }
    channel.close(200, "done".into()).await?;
    Ok(events)
}

pub fn ensure_equal(what: &str, found: usize, expected: usize) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(format!("the run was wrong: {found} {what} instead of {expected}").into())
}
