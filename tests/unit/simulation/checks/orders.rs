//! The orders, their histories, and what was told of them.

use std::collections::{BTreeMap, BTreeSet};

use order_worker::domain::{Order, OrderId, Status};
use order_worker::service_layer::{HistoryEntry, OrderQueries, OrderQuery, Page};
use serde_json::Value;

use super::{Ledger, TestEnv, Wish};

/// I2, I3, I4: each order's history and its events.
pub async fn check(env: &TestEnv, events: &[Value]) {
    let TestEnv { ledger, database, .. } = env;
    let queries = database.queries();
    let mut caused = BTreeSet::new();
    let mut told = versions_told(ledger, events);
    for order in queries.orders(&OrderQuery::all(), &Page::first(u32::MAX)).await.unwrap() {
        let found = queries.order(order.order_id()).await.unwrap().unwrap();
        check_history(ledger, &found.order, &found.history);
        let told = told.remove(order.order_id().as_str()).unwrap_or_default();
        if told != found.history.iter().map(change).collect::<Vec<_>>() {
            let told: Vec<_> = told.iter().map(|(version, ..)| version).collect();
            ledger.violated(format!("I3: {} is not as its events say: {told:?}", order.order_id()));
        }
        for id in found.history.iter().filter_map(|entry| entry.cause.message_id.clone()) {
            if !caused.insert(id.clone()) {
                ledger.violated(format!("I2: {id} had its effect twice"));
            }
        }
    }
    if !told.is_empty() {
        ledger.violated(format!("I3: events without orders: {:?}", told.keys()));
    }
}

/// What an event and a line of history have in common.
type Told = (i64, Option<String>, String, Option<String>);

fn change(entry: &HistoryEntry) -> Told {
    let name = |status: Status| status.name().to_owned();
    let version = entry.version.into();
    (version, entry.previous.map(name), name(entry.status), entry.cause.message_id.clone())
}

/// By order, what the first copies of its events told, in the order in which they were sent.
fn versions_told(ledger: &Ledger, events: &[Value]) -> BTreeMap<String, Vec<Told>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut ids: BTreeMap<(String, i64), String> = BTreeMap::new();
    let mut told: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "OrderStatusChanged") {
        let order_id = text(&event["order_id"]).unwrap();
        let (version, id) = (event["version"].as_i64().unwrap(), text(&event["event_id"]).unwrap());
        match ids.insert((order_id.clone(), version), id.clone()) {
            None => told.entry(order_id).or_default().push((
                version,
                text(&event["previous_status"]),
                text(&event["status"]).unwrap(),
                text(&event["caused_by"]),
            )),
            Some(first) if first == id => {}
            Some(_) => ledger.violated(format!("I3: {order_id} v{version} has two events")),
        }
    }
    for (order_id, told) in &told {
        if told.windows(2).any(|pair| pair[0].0 + 1 != pair[1].0) {
            let versions: Vec<i64> = told.iter().map(|told| told.0).collect();
            ledger.violated(format!("I4: {order_id} was told of as {versions:?}"));
        }
    }
    told
}

/// I4: versions count up from 1, each change begins where the last one ended, and is what its
/// intent wanted.
fn check_history(ledger: &Ledger, order: &Order, history: &[HistoryEntry]) {
    let order_id = order.order_id();
    let mut status = None;
    if history.windows(2).any(|pair| pair[1].at < pair[0].at) {
        ledger.violated(format!("I4: {order_id} runs backwards"));
    }
    for (version, entry) in (1..).zip(history) {
        if entry.version != version || entry.previous != status {
            ledger.violated(format!("I4: {order_id} has a gap before {entry:?}"));
        }
        status = Some(entry.status);
        if !is_wanted(ledger, order_id, entry) {
            ledger.violated(format!("I2: nobody wanted {entry:?} of {order_id}"));
        }
    }
    if status != Some(order.status()) || i32::try_from(history.len()) != Ok(order.version()) {
        ledger.violated(format!("I4: {order_id} is not what its history says"));
    }
}

fn is_wanted(ledger: &Ledger, order_id: &OrderId, entry: &HistoryEntry) -> bool {
    ledger.intents().iter().any(|intent| {
        let is_this_order = intent.order_id.as_deref().is_none_or(|id| id == order_id.as_str());
        let is_this_cause = intent.message_id == entry.cause.message_id;
        is_this_order && is_this_cause && leads_to(intent.wish, entry)
    })
}

fn leads_to(wish: Wish, entry: &HistoryEntry) -> bool {
    let HistoryEntry { previous, status, .. } = *entry;
    match wish {
        Wish::Place => previous.is_none() && status == Status::Received,
        Wish::Cancel => previous == Some(Status::Received) && status == Status::Cancelled,
        Wish::SetStatus(wanted) => {
            status == wanted && previous.is_some_and(|from| !from.is_final())
        }
        Wish::Next(from) => {
            previous.and_then(Status::next) == Some(status) && (from.is_none() || from == previous)
        }
        Wish::Nonsense(_) => false,
    }
}
