//! What must hold when the faults have ended and everything is done.

mod dead_letters;
mod orders;

use std::collections::{BTreeMap, BTreeSet};

use order_worker::domain::MessageId;
use order_worker::service_layer::{InboxOutcome, OrderQueries};
use serde_json::Value;

use super::broker::DeadLettered;
use super::intents::{IdempotencyKey, Wish};
use super::ledger::Ledger;
use super::worker::TestEnv;

/// Tells the ledger of all that is wrong.
pub async fn check(env: &TestEnv, refused: Option<&str>) {
    let TestEnv { ledger, broker, .. } = env;
    let dead_letters = broker.dead_letters();
    check_conservation(ledger, &dead_letters);
    for dead_letter in &dead_letters {
        dead_letters::check(ledger, dead_letter, refused);
    }
    dead_letters::check_refused(ledger, refused);
    let events: Vec<Value> =
        ledger.sent().iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect();
    orders::check(env, &events).await;
    check_rejections(env, &events).await;
}

/// I1: each intent had its effect or is a dead letter, unless its client knows that it has none; what
/// is nonsense has none.
fn check_conservation(ledger: &Ledger, dead_letters: &[DeadLettered]) {
    let dead: BTreeSet<&str> = dead_letters
        .iter()
        .filter_map(|dead_letter| dead_letter.properties.correlation_id.as_deref())
        .collect();
    for IdempotencyKey { label, wish, .. } in ledger.intents() {
        let (done, dead) = (ledger.is_done(&label), dead.contains(&*label));
        let is_nonsense = matches!(wish, Wish::Nonsense(_));
        if !(done || dead || ledger.is_let_be(&label)) || (is_nonsense && done) {
            ledger.violated(format!("I1: {label} {wish:?}: done is {done}, dead is {dead}"));
        }
        if label.starts_with("fresh") && (dead || !done) {
            ledger.violated(format!("I7: {label} was not processed after the faults"));
        }
    }
}

/// I3: each rejected intent has one event, and no other intent has any.
async fn check_rejections(env: &TestEnv, events: &[Value]) {
    let TestEnv { ledger, database, .. } = env;
    let mut told: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "OrderCommandRejected") {
        if let (Some(id), Some(event_id)) =
            (event["caused_by"].as_str(), event["event_id"].as_str())
        {
            told.entry(id).or_default().insert(event_id);
        }
    }
    let ids: BTreeSet<String> =
        ledger.intents().into_iter().filter_map(|intent| intent.message_id).collect();
    for id in ids {
        let handled = database.queries().message(&MessageId::new(&*id).unwrap()).await.unwrap();
        let rejected =
            handled.is_some_and(|handled| matches!(handled.outcome, InboxOutcome::Rejected(_)));
        let events = told.get(&*id).map_or(0, BTreeSet::len);
        if events != usize::from(rejected) {
            ledger.violated(format!("I3: {id}, rejected is {rejected}, has {events} rejections"));
        }
    }
}
