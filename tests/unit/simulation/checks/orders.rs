//! Checks of the orders, their histories and their events.

use std::collections::{BTreeMap, BTreeSet};

use order_worker::domain::{Order, OrderId, Status};
use order_worker::service_layer::{HistoryEntry, OrderQueries, OrderQuery, Page};
use serde_json::Value;

use super::{Action, Ledger, SimulationEnv};

/// I2, I3, I4: each order's history and its events.
pub async fn check(env: &SimulationEnv, events: &[Value]) {
    let SimulationEnv { ledger, database, .. } = env;
    let queries = database.queries();
    let mut caused = BTreeSet::new();
    let mut published = published_changes(ledger, events);
    for order in queries.orders(&OrderQuery::all(), &Page::first(u32::MAX)).await.unwrap() {
        let found = queries.order(order.order_id()).await.unwrap().unwrap();
        check_history(ledger, &found.order, &found.history);
        let published = published.remove(order.order_id().as_str()).unwrap_or_default();
        if published != found.history.iter().map(change).collect::<Vec<_>>() {
            let versions: Vec<_> = published.iter().map(|(version, ..)| version).collect();
            ledger.violated(format!(
                "I3: {} differs from its events: {versions:?}",
                order.order_id()
            ));
        }
        for id in found.history.iter().filter_map(|entry| entry.cause.message_id.clone()) {
            if !caused.insert(id.clone()) {
                ledger.violated(format!("I2: {id} took effect twice"));
            }
        }
    }
    if !published.is_empty() {
        ledger.violated(format!("I3: events without orders: {:?}", published.keys()));
    }
}

/// What an event and a history row have in common: version, previous status, status, cause.
type Change = (i64, Option<String>, String, Option<String>);

fn change(entry: &HistoryEntry) -> Change {
    let name = |status: Status| status.name().to_owned();
    let version = entry.version.into();
    (version, entry.previous.map(name), name(entry.status), entry.cause.message_id.clone())
}

/// The changes of each order, by the first copies of its events, in the order of publishing.
fn published_changes(ledger: &Ledger, events: &[Value]) -> BTreeMap<String, Vec<Change>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut ids: BTreeMap<(String, i64), String> = BTreeMap::new();
    let mut changes: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "OrderStatusChanged") {
        let order_id = text(&event["order_id"]).unwrap();
        let (version, id) = (event["version"].as_i64().unwrap(), text(&event["event_id"]).unwrap());
        match ids.insert((order_id.clone(), version), id.clone()) {
            None => changes.entry(order_id).or_default().push((
                version,
                text(&event["previous_status"]),
                text(&event["status"]).unwrap(),
                text(&event["caused_by"]),
            )),
            Some(first) if first == id => {}
            Some(_) => ledger.violated(format!("I3: {order_id} v{version} has two events")),
        }
    }
    for (order_id, changes) in &changes {
        if changes.windows(2).any(|pair| pair[0].0 + 1 != pair[1].0) {
            let versions: Vec<i64> = changes.iter().map(|change| change.0).collect();
            ledger.violated(format!("I4: {order_id} was published as {versions:?}"));
        }
    }
    changes
}

/// I4: versions count up from 1, each change starts at the status of the previous one, and is what its
/// intent asked for.
fn check_history(ledger: &Ledger, order: &Order, history: &[HistoryEntry]) {
    let order_id = order.order_id();
    let mut status = None;
    if history.windows(2).any(|pair| pair[1].at < pair[0].at) {
        ledger.violated(format!("I4: the history of {order_id} runs backwards"));
    }
    for (version, entry) in (1..).zip(history) {
        if entry.version != version || entry.previous != status {
            ledger.violated(format!("I4: {order_id} has a gap before {entry:?}"));
        }
        status = Some(entry.status);
        if !is_wanted(ledger, order_id, entry) {
            ledger.violated(format!("I2: no intent for {entry:?} of {order_id}"));
        }
    }
    if status != Some(order.status()) || i32::try_from(history.len()) != Ok(order.version()) {
        ledger.violated(format!("I4: {order_id} differs from its history"));
    }
}

fn is_wanted(ledger: &Ledger, order_id: &OrderId, entry: &HistoryEntry) -> bool {
    ledger.intents().iter().any(|intent| {
        let is_this_order = intent.order_id.as_deref().is_none_or(|id| id == order_id.as_str());
        let is_this_cause = intent.message_id == entry.cause.message_id;
        is_this_order && is_this_cause && leads_to(intent.action, entry)
    })
}

fn leads_to(action: Action, entry: &HistoryEntry) -> bool {
    let HistoryEntry { previous, status, .. } = *entry;
    match action {
        Action::Place => previous.is_none() && status == Status::Received,
        Action::Cancel => previous == Some(Status::Received) && status == Status::Cancelled,
        Action::SetStatus(wanted) => {
            status == wanted && previous.is_some_and(|from| !from.is_final())
        }
        Action::Next(from) => {
            previous.and_then(Status::next) == Some(status) && (from.is_none() || from == previous)
        }
        Action::Invalid(_) => false,
    }
}
