//! Whether a run was right: every order as it must be, every event there once, nothing left over.
//! A run that is fast and wrong is a failure.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use serde::Deserialize;
use sqlx::Row;

use crate::Failure;
use crate::site::Site;
use crate::workload::{Expected, Known};

/// What the outbox and the dead letters may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fields of events that tell them apart.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event_id")]
    id: String,
    order_id: String,
    /// None in a rejection.
    version: Option<i32>,
}

/// Waits until the workers have cleaned up behind their last event.
pub async fn at_rest(site: &Site<'_>, expected: &Expected) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    let dead_letters = i64::try_from(expected.dead_letters)?;
    loop {
        let outbox = site.count("select count(*) from outbox").await?;
        let dead_letters = site.count("select count(*) from dead_letters").await?;
        if outbox == 0 && dead_letters >= dead_letters {
            return Ok(());
        }
        if Instant::now() > deadline {
            let left = format!(
                "{outbox} rows in the outbox, {dead_letters} of {dead_letters} dead letters collected"
            );
            return Err(format!("the worker does not come to rest: {left}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Compares what is there with what must be, once the workers have ended. `more_orders` are there
/// from before, and right.
pub async fn check(
    site: &Site<'_>,
    expected: &Expected,
    more_orders: usize,
) -> Result<(), Failure> {
    check_all_but_events(site, expected, more_orders).await?;
    check_events(site, expected).await
}

/// The same where a subscriber has taken the events.
pub async fn check_all_but_events(
    site: &Site<'_>,
    expected: &Expected,
    more_orders: usize,
) -> Result<(), Failure> {
    check_orders(site, expected, more_orders).await?;
    check_rows(site, expected, more_orders).await?;
    check_queues(site).await
}

async fn check_orders(site: &Site<'_>, expected: &Expected, more: usize) -> Result<(), Failure> {
    let rows = sqlx::query("select order_id, status, version from orders")
        .fetch_all(&mut site.session().await?)
        .await?;
    ensure_equal("orders", rows.len(), expected.orders.len() + more)?;
    let mut right = 0;
    for row in rows {
        let order_id: String = row.try_get("order_id")?;
        let known = Known { status: row.try_get("status")?, version: row.try_get("version")? };
        match expected.orders.get(&order_id) {
            Some(expected) if *expected == known => right += 1,
            Some(expected) => {
                return Err(format!("order {order_id} is {known:?}, not {expected:?}").into());
            }
            None => {}
        }
    }
    ensure_equal("orders that are right", right, expected.orders.len())
}

async fn check_rows(site: &Site<'_>, expected: &Expected, more: usize) -> Result<(), Failure> {
    let items_of_more = more * crate::growth::ITEMS_PER_ORDER;
    for (table, rows) in [
        ("order_items", expected.items + items_of_more),
        ("order_history", expected.changes + more),
        ("handled_messages", expected.handled + more),
        ("dead_letters", expected.dead_letters),
        ("dead_letters where code = 'malformed_json'", expected.dead_letters),
        ("outbox", 0),
    ] {
        let found = site.count(&format!("select count(*) from {table}")).await?;
        ensure_equal(&format!("rows in {table}"), usize::try_from(found)?, rows)?;
    }
    Ok(())
}

async fn check_queues(site: &Site<'_>) -> Result<(), Failure> {
    let topology = site.topology();
    let retries =
        (1..).zip(&topology.retry_delays).map(|(attempt, _)| topology.retry_queue(attempt));
    let queues =
        retries.chain([topology.commands_queue.clone(), topology.dead_letter_queue.clone()]);
    for queue in queues {
        ensure_equal(&format!("messages left in {queue}"), site.depth(&queue).await?, 0)?;
    }
    Ok(())
}

/// Takes all events out of the subscriber's queue: each change of an order once, in the order of
/// versions, and each rejection once.
async fn check_events(site: &Site<'_>, expected: &Expected) -> Result<(), Failure> {
    let events = take_events(site, expected.events()).await?;
    let ids: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    ensure_equal("different events", ids.len(), expected.events())?;
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

async fn take_events(site: &Site<'_>, due: usize) -> Result<Vec<Event>, Failure> {
    let queue = site.subscriber();
    ensure_equal("events", site.depth(&queue).await?, due)?;
    let channel = site.channel().await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = channel
        .basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default())
        .await?;
    let mut events = Vec::with_capacity(due);
    while events.len() < due {
        let delivery = tokio::time::timeout(PATIENCE, consumer.next()).await?;
        let delivery = delivery.ok_or("the broker ended the subscription")??;
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
