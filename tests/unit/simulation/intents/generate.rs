//! Generates the intents of a schedule from its seed: valid commands, repeats, reused message ids and
//! invalid commands.

use std::collections::BTreeMap;

use fastrand::Rng;
use order_worker::domain::Status;
use serde_json::{Value, json};

use super::{Action, Intent};

/// How far the commands of an order are from each other among those of the others.
const STEP: u32 = 4;

/// The intents of a schedule, in the order of publishing; repeats are clones.
pub fn all(random: &mut Rng) -> Vec<Intent> {
    let mut intents = Vec::new();
    for order in 0..random.usize(2..7) {
        intents.extend(about_one_order(random, &format!("o{order}")));
    }
    intents.extend((0..random.usize(0..3)).map(|_| place_without_number()));
    intents.extend((0..random.usize(0..4)).map(|_| invalid(random)));
    for (place, intent) in intents.iter_mut().enumerate() {
        intent.label = format!("i{place}");
        intent.message_id = intent.message_id.take().map(|_| format!("m{place}"));
    }
    let reused: Vec<Intent> = intents
        .iter()
        .filter(|intent| intent.action.kind().is_some() && random.u8(0..10) == 0)
        .map(same_id_other_body)
        .collect();
    intents.extend(reused);
    shuffled(intents, random)
}

fn about_one_order(random: &mut Rng, order_id: &str) -> Vec<Intent> {
    let mut intents = Vec::new();
    // One order in ten is never placed: its commands are retried in vain.
    if random.u8(0..10) > 0 {
        intents.push(place_order(order_id, "95.00"));
    }
    if random.u8(0..8) == 0 {
        intents.push(place_order(order_id, "90.00"));
    }
    intents.extend((0..random.usize(0..7)).map(|_| command(random, order_id)));
    let headers = Headers::random(random);
    for intent in &mut intents {
        intent.order_id_header = headers.next(random, order_id);
    }
    intents
}

/// What publishers put into the header of an order's commands.
#[derive(Debug, Clone, Copy)]
enum Headers {
    Right,
    None,
    /// The same wrong id in each.
    Wrong,
    /// Some publishers put the right id there, others none.
    Mixed,
}

impl Headers {
    fn random(random: &mut Rng) -> Self {
        [Self::Right, Self::None, Self::Wrong, Self::Mixed][random.usize(0..4)]
    }

    fn next(self, random: &mut Rng, order_id: &str) -> Option<String> {
        match self {
            Self::Right => Some(order_id.to_owned()),
            Self::None => None,
            Self::Wrong => Some(format!("not-{order_id}")),
            Self::Mixed => random.bool().then(|| order_id.to_owned()),
        }
    }
}

/// New orders, to check that the worker still works after the faults.
pub fn fresh() -> Vec<Intent> {
    (0..5)
        .map(|number| {
            let label = format!("fresh{number}");
            Intent {
                message_id: Some(label.clone()),
                label,
                ..place_order(&format!("f{number}"), "1.00")
            }
        })
        .collect()
}

fn place_order(order_id: &str, total: &str) -> Intent {
    let body = json!({ "order_id": order_id, "total": total, "order_customer": customer(), "items": [item()] });
    intent(Action::Place, Some(order_id), &body)
}

fn place_without_number() -> Intent {
    intent(Action::Place, None, &json!({ "order_customer": customer(), "items": [item()] }))
}

fn customer() -> Value {
    json!({ "customer_id": 2, "name": "Ada", "email": "ada@example.com" })
}

fn item() -> Value {
    json!({ "product_id": 1, "name": "Bayonetta 3", "quantity": 1, "price_per_unit": "95.00" })
}

fn command(random: &mut Rng, order_id: &str) -> Intent {
    let status = Status::ALL[random.usize(0..5)];
    let action = match random.u8(0..10) {
        0 => Action::Cancel,
        1..3 => Action::SetStatus(status),
        3..6 => Action::Next(Some(status)),
        _ => Action::Next(None),
    };
    let body = match action {
        Action::SetStatus(status) => json!({ "order_id": order_id, "status": status.name() }),
        Action::Next(from) => json!({ "order_id": order_id, "from": from.map(Status::name) }),
        Action::Cancel | Action::Place | Action::Invalid(_) => json!({ "order_id": order_id }),
    };
    let needs_id = action == Action::Next(None);
    let mut intent = intent(action, Some(order_id), &body);
    intent.wants_reply = random.bool();
    if !needs_id && random.u8(0..4) == 0 {
        // Harmless to repeat, so it needs no id; the reply shows that it was handled.
        intent.message_id = None;
        intent.wants_reply = true;
    }
    intent
}

/// A publisher's mistake: the same message id with another body, which has one more space.
fn same_id_other_body(taken: &Intent) -> Intent {
    let label = format!("{}-again", taken.label);
    let body = [&taken.body, &b" "[..]].concat();
    Intent { label, body, ..taken.clone() }
}

fn invalid(random: &mut Rng) -> Intent {
    let (code, body): (_, &[u8]) = [
        ("empty_body", &b""[..]),
        ("malformed_json", b"{\"order_id\":"),
        ("not_utf8", b"\xff\xfe{}"),
        ("duplicate_key", br#"{"order_id":1,"order_id":1}"#),
        ("missing_field", b"{}"),
        ("invalid_field", br#"{"order_id":[]}"#),
        ("unknown_command", br#"{"type":"Frobnicate"}"#),
    ][random.usize(0..7)];
    Intent { body: body.to_owned(), ..intent(Action::Invalid(code), None, &json!({})) }
}

fn intent(action: Action, order_id: Option<&str>, body: &Value) -> Intent {
    Intent {
        label: String::new(),
        message_id: Some(String::new()),
        order_id: order_id.map(str::to_owned),
        action,
        order_id_header: order_id.map(str::to_owned),
        wants_reply: false,
        body: body.to_string().into_bytes(),
    }
}

/// Interleaves the orders and repeats some intents. Some publishers also swap neighbours.
fn shuffled(intents: Vec<Intent>, random: &mut Rng) -> Vec<Intent> {
    let keeps_order = random.bool();
    let mut sorted: Vec<(u32, Intent)> = Vec::new();
    let mut places: BTreeMap<Option<String>, u32> = BTreeMap::new();
    for intent in intents {
        let place = places.entry(intent.order_id.clone()).or_default();
        // At any position among other orders.
        let at = *place * STEP + random.u32(0..if keeps_order { STEP } else { 3 * STEP });
        *place += 1;
        if random.u8(0..6) == 0 {
            sorted.push((at + random.u32(0..30), intent.clone()));
        }
        sorted.push((at, intent));
    }
    sorted.sort_by_key(|(at, _)| *at);
    sorted.into_iter().map(|(_, intent)| intent).collect()
}
