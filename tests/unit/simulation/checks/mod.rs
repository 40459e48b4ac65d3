//! The invariants, checked after the faults have ended and all work is done.

mod dead_letters;
mod orders;
mod sequence;

use std::collections::{BTreeMap, BTreeSet};

use order_worker::domain::MessageId;
use order_worker::service_layer::{InboxOutcome, OrderQueries};
use serde_json::Value;

use super::broker::DeadLettered;
use super::intents::{Action, Intent};
use super::ledger::Ledger;
use super::worker::SimulationEnv;

pub use sequence::Checked;

/// Records all violations in the ledger; says how much of [the order](sequence) there was to check.
pub async fn check(env: &SimulationEnv, refused: Option<&str>) -> Checked {
    let SimulationEnv { ledger, broker, .. } = env;
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
    if env.is_ordered { sequence::check(env, &dead_letters).await } else { Checked::default() }
}

/// I1: each intent took effect or is a dead letter, unless its client knows that it did not. Invalid
/// commands take no effect.
fn check_conservation(ledger: &Ledger, dead_letters: &[DeadLettered]) {
    let dead: BTreeSet<&str> = dead_letters
        .iter()
        .filter_map(|dead_letter| dead_letter.properties.correlation_id.as_deref())
        .collect();
    for Intent { label, action, .. } in ledger.intents() {
        let (done, dead) = (ledger.is_done(&label), dead.contains(&*label));
        let is_invalid = matches!(action, Action::Invalid(_));
        if !(done || dead || ledger.is_abandoned(&label)) || (is_invalid && done) {
            ledger.violated(format!("I1: {label} {action:?}: done is {done}, dead is {dead}"));
        }
        if label.starts_with("fresh") && (dead || !done) {
            ledger.violated(format!("I7: {label} was not processed after the faults"));
        }
    }
}

/// I3: each rejected intent has one event, and no other intent has any.
async fn check_rejections(env: &SimulationEnv, events: &[Value]) {
    let SimulationEnv { ledger, database, .. } = env;
    let mut rejections: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "OrderCommandRejected") {
        if let (Some(id), Some(event_id)) =
            (event["caused_by"].as_str(), event["event_id"].as_str())
        {
            rejections.entry(id).or_default().insert(event_id);
        }
    }
    let ids: BTreeSet<String> =
        ledger.intents().into_iter().filter_map(|intent| intent.message_id).collect();
    for id in ids {
        let handled = database.queries().message(&MessageId::new(&*id).unwrap()).await.unwrap();
        let rejected =
            handled.is_some_and(|handled| matches!(handled.outcome, InboxOutcome::Rejected(_)));
        let events = rejections.get(&*id).map_or(0, BTreeSet::len);
        if events != usize::from(rejected) {
            ledger.violated(format!("I3: {id}, rejected is {rejected}, has {events} rejections"));
        }
    }
}
