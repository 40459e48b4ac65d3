//! I9: the commands of an order take effect in the order in which they were published.
//!
//! That holds for commands that reached the consumer by the queue only, with the same header `order-id`
//! (the right one, the same wrong one, or none) and behind the `PlaceOrder` of their order, and of which
//! the worker sent no copy to a retry queue or the dead letters: such a copy comes later, or not at all,
//! and others go on. A command that came before its order existed may take effect later without a copy:
//! when its batch is handled again because a commit got no response, and the commit was done.
//!
//! A command without a message id may take effect again, when it is redelivered; its first effect is in
//! order.

use std::collections::BTreeMap;

use order_worker::domain::{OrderId, Status};
use order_worker::service_layer::OrderQueries;

use super::{Action, DeadLettered, SimulationEnv};
use crate::simulation::ledger::Journey;

/// How much there was to check.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Pairs of successive commands of an order.
    pub pairs: usize,
    /// Whole orders with several commands, and their statuses.
    pub orders: usize,
}

pub async fn check(env: &SimulationEnv, dead_letters: &[DeadLettered]) -> Checked {
    let mut checked = Checked::default();
    for (order_id, journeys) in journeys_by_order(env, dead_letters) {
        checked.pairs += check_pairs(env, &order_id, &journeys);
        if journeys.len() > 1 && journeys.iter().all(|it| is_simple(it, &journeys[0])) {
            checked.orders += 1;
            check_statuses(env, &order_id, &journeys).await;
        }
    }
    checked
}

/// In the order of publication.
fn journeys_by_order(
    env: &SimulationEnv,
    dead_letters: &[DeadLettered],
) -> BTreeMap<String, Vec<Journey>> {
    let mut by_order: BTreeMap<String, Vec<Journey>> = BTreeMap::new();
    for mut journey in env.ledger.journeys() {
        // Those of the broker among them.
        journey.stayed_in_order &= !dead_letters.iter().any(|dead_letter| {
            dead_letter.properties.correlation_id.as_ref() == Some(&journey.intent.label)
        });
        let Some(order_id) = journey.intent.order_id.clone() else { continue };
        let before = by_order.entry(order_id).or_default();
        journey.stayed_in_order &= journey.intent.action == Action::Place
            || before.iter().any(|earlier| {
                earlier.stayed_in_order
                    && earlier.intent.action == Action::Place
                    && earlier.intent.order_id_header == journey.intent.order_id_header
            });
        before.push(journey);
    }
    by_order
}

/// No command takes effect in an earlier transaction than one that was published before it.
fn check_pairs(env: &SimulationEnv, order_id: &str, journeys: &[Journey]) -> usize {
    let mut latest: BTreeMap<Option<&str>, (usize, &str)> = BTreeMap::new();
    let mut pairs = 0;
    for Journey { intent, first_effect, .. } in journeys.iter().filter(|it| it.stayed_in_order) {
        let Some(effect) = *first_effect else { continue };
        let header = intent.order_id_header.as_deref();
        if let Some((before, label)) = latest.insert(header, (effect, &intent.label)) {
            pairs += 1;
            if effect < before {
                env.ledger.violated(format!(
                    "I9: {} of {order_id} took effect before {label}, which was published before",
                    intent.label
                ));
            }
        }
    }
    pairs
}

/// Whether nothing but this order's commands in their order explains its statuses.
fn is_simple(journey: &Journey, first: &Journey) -> bool {
    journey.stayed_in_order
        && journey.intent.message_id.is_some()
        && journey.intent.order_id_header == first.intent.order_id_header
}

/// The statuses of the order are those of its commands, one after the other.
async fn check_statuses(env: &SimulationEnv, order_id: &str, journeys: &[Journey]) {
    let mut expected = Vec::new();
    for Journey { intent, .. } in journeys {
        let present = expected.last().map(|(status, _)| *status);
        if let Some(next) = next_status(present, intent.action) {
            expected.push((next, intent.message_id.clone()));
        }
    }
    let found = env.database.queries().order(&OrderId::new(order_id).unwrap()).await.unwrap();
    let history = found.map(|found| found.history).unwrap_or_default();
    let history: Vec<_> =
        history.into_iter().map(|entry| (entry.status, entry.cause.message_id)).collect();
    if history != expected {
        env.ledger.violated(format!(
            "I9: {order_id} has the statuses {history:?} instead of {expected:?}"
        ));
    }
}

/// The rules of the domain, once more: the status that a command leads to, if it changes anything.
fn next_status(present: Option<Status>, action: Action) -> Option<Status> {
    let Some(present) = present else {
        return (action == Action::Place).then_some(Status::Received);
    };
    match action {
        Action::Place | Action::Invalid(_) => None,
        Action::Cancel => (present == Status::Received).then_some(Status::Cancelled),
        Action::SetStatus(wanted) => (!present.is_final() && wanted != present).then_some(wanted),
        Action::Next(from) => present.next().filter(|_| from.is_none_or(|from| from == present)),
    }
}
