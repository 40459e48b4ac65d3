//! A workload of orders, status changes, duplicates and malformed messages from a Python client, and the
//! check of its results.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use crate::amqp_client::{place, publish_orders};
use crate::schemas;
use crate::test_env::{TestEnv, eventually};

/// The expected results, as computed by the client.
#[derive(Debug, Default, Deserialize)]
pub struct Expected {
    pub messages: usize,
    pub orders: usize,
    /// Order id to version.
    pub versions: BTreeMap<String, i32>,
    pub status_changes: usize,
    pub rejected: usize,
    pub dead_letters: usize,
    pub duplicates: usize,
    pub accepted: usize,
}

impl Expected {
    /// Rows in the inbox: each message id once, without dead letters.
    pub fn intents(&self) -> usize {
        self.messages - self.duplicates - self.dead_letters
    }

    /// The expected results of two workloads together.
    pub fn and(mut self, mut other: Self) -> Self {
        self.versions.append(&mut other.versions);
        Self {
            messages: self.messages + other.messages,
            orders: self.orders + other.orders,
            versions: self.versions,
            status_changes: self.status_changes + other.status_changes,
            rejected: self.rejected + other.rejected,
            dead_letters: self.dead_letters + other.dead_letters,
            duplicates: self.duplicates + other.duplicates,
            accepted: self.accepted + other.accepted,
        }
    }
}

/// How many copies of an event the check accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// No fault happened: exactly one.
    One,
    /// One crash: the relay may publish a second copy, and a lane with newer events of the same order a
    /// third one.
    UpToThree,
    /// Several crashes or an outage: any number.
    Any,
}

const SUBSCRIBER: &str = "notifications";

pub fn subscriber_of(env: &TestEnv) -> String {
    format!("{}.{SUBSCRIBER}", env.name_of("EVENTS_EXCHANGE"))
}

/// Declares and binds the subscriber's queue; the exchanges must exist.
pub fn subscribe(env: &TestEnv) {
    env.python_client(&["subscribe", &subscriber_of(env)]);
}

/// Publishes a workload of `count` messages.
pub fn publish(env: &TestEnv, seed: &str, count: usize) -> Expected {
    let printed = env.python_client(&["publish", seed, &count.to_string()]);
    serde_json::from_str(&printed).unwrap()
}

/// Waits until the workload is processed, then asserts that orders, events, duplicates, rejections and
/// dead letters are as expected.
pub async fn assert_consistent(env: &TestEnv, expected: &Expected, copies: Copies) {
    env.wait_for_count("handled_messages", expected.intents()).await;
    env.wait_for_count("outbox", 0).await;
    assert_orders(env, expected).await;
    assert_outcomes(env, expected).await;
    assert_events(env, expected, copies);
    assert_dead_letters(env, expected, copies);
    assert_processes_new_orders(env).await;
}

/// Asserts that new orders are placed and their events published, and that no session is left in a
/// transaction.
pub async fn assert_processes_new_orders(env: &TestEnv) {
    let id = uuid::Uuid::now_v7().simple();
    let orders: Vec<String> = (0..20).map(|n| place(&format!("fresh-{id}-{n}"))).collect();
    publish_orders(env, &orders).await;
    let placed = format!("orders where order_id like 'fresh-{id}-%'");
    env.wait_for_count(&placed, 20).await;
    env.wait_for_count("outbox", 0).await;
    eventually("no session is idle in a transaction", || async {
        env.sessions("state like 'idle in transaction%'").await == 0
    })
    .await;
}

async fn assert_orders(env: &TestEnv, expected: &Expected) {
    let rows = env.ask("select order_id || ' ' || version from orders").await;
    let versions: BTreeMap<String, i32> = rows
        .iter()
        .map(|row| row.rsplit_once(' ').unwrap())
        .map(|(order_id, version)| (order_id.to_owned(), version.parse().unwrap()))
        .collect();
    assert_eq!(versions.len(), expected.orders);
    assert_eq!(versions, expected.versions);
    let gaps = "select count(*) from (select order_id, count(*) n, max(version) v, min(version) f
                from order_history group by order_id) h where n <> v or f <> 1";
    assert_eq!(env.ask(gaps).await, ["0"], "histories with gaps");
}

async fn assert_outcomes(env: &TestEnv, expected: &Expected) {
    let of = |outcome: &str| {
        format!("select count(*) from handled_messages where outcome = '{outcome}'")
    };
    let accepted = env.ask(&of("accepted")).await;
    let rejected = env.ask(&of("rejected")).await;
    assert_eq!(accepted, [expected.accepted.to_string()]);
    assert_eq!(rejected, [expected.rejected.to_string()]);
}

/// Each event matches its schema and comes at least once under one id; the first copies of an order's
/// events come in version order.
fn assert_events(env: &TestEnv, expected: &Expected, copies: Copies) {
    let wanted = (expected.status_changes + expected.rejected).to_string();
    let printed = env.python_client(&["events", &subscriber_of(env), &wanted]);
    let schemas = schemas::Validators::default();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut versions: HashMap<String, i64> = HashMap::new();
    let (mut changes, mut rejections) = (0, 0);
    for line in printed.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let event = &line["event"];
        schemas.assert_valid(event);
        let count = seen.entry(event["event_id"].to_string()).or_default();
        *count += 1;
        match copies {
            Copies::One => assert_eq!(*count, 1, "a second copy of {event}"),
            Copies::UpToThree => assert!(*count <= 3, "a fourth copy of {event}"),
            Copies::Any => {}
        }
        if *count > 1 {
            continue;
        }
        if event["type"] == "OrderCommandRejected" {
            rejections += 1;
            continue;
        }
        changes += 1;
        let version = versions.entry(event["order_id"].to_string()).or_default();
        *version += 1;
        assert_eq!(event["version"], *version, "out of order: {event}");
    }
    assert_eq!((changes, rejections), (expected.status_changes, expected.rejected));
}

fn assert_dead_letters(env: &TestEnv, expected: &Expected, copies: Copies) {
    let wanted = expected.dead_letters.to_string();
    let printed = env.python_client(&["dead-letters", &wanted]);
    let dead_letters: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    match copies {
        Copies::One => assert_eq!(dead_letters.len(), expected.dead_letters),
        // A crash between the confirm of a dead letter and its acknowledgement makes a second copy.
        Copies::UpToThree | Copies::Any => {
            assert!(dead_letters.len() >= expected.dead_letters, "{}", dead_letters.len());
        }
    }
    let malformed =
        ["malformed_json", "empty_body", "duplicate_key", "missing_field", "invalid_field"];
    for dead_letter in dead_letters {
        let code = dead_letter["code"].as_str().unwrap();
        assert!(malformed.contains(&code), "{code} is not a code of a malformed message");
    }
}
