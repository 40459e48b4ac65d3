//! The intents of a schedule, from its seed: sensible commands, repeats, mistakes and nonsense.

use fastrand::Rng;
use order_worker::domain::Status;
use serde_json::{Value, json};

use super::{IdempotencyKey, Wish};

/// The intents of a schedule, in the order in which they are published; repeats are clones.
pub fn published(random: &mut Rng) -> Vec<IdempotencyKey> {
    let mut intents = Vec::new();
    for order in 0..random.usize(2..7) {
        intents.extend(about_one_order(random, &format!("o{order}")));
    }
    intents.extend((0..random.usize(0..3)).map(|_| place_without_number()));
    intents.extend((0..random.usize(0..4)).map(|_| nonsense(random)));
    for (place, intent) in intents.iter_mut().enumerate() {
        intent.label = format!("i{place}");
        intent.message_id = intent.message_id.take().map(|_| format!("m{place}"));
    }
    let mistakes: Vec<IdempotencyKey> = intents
        .iter()
        .filter(|intent| intent.wish.kind().is_some() && random.u8(0..10) == 0)
        .map(same_id_other_words)
        .collect();
    intents.extend(mistakes);
    in_disorder(intents, random)
}

fn about_one_order(random: &mut Rng, order_id: &str) -> Vec<IdempotencyKey> {
    let mut intents = Vec::new();
    // Of one order in ten nobody has ever heard: its commands wait in vain.
    if random.u8(0..10) > 0 {
        intents.push(place_order(order_id, "95.00"));
    }
    if random.u8(0..8) == 0 {
        intents.push(place_order(order_id, "90.00"));
    }
    intents.extend((0..random.usize(0..7)).map(|_| command(random, order_id)));
    intents
}

/// Orders that nobody has named before, to see that work goes on.
pub fn fresh() -> Vec<IdempotencyKey> {
    (0..5)
        .map(|number| {
            let label = format!("fresh{number}");
            IdempotencyKey {
                message_id: Some(label.clone()),
                label,
                ..place_order(&format!("f{number}"), "1.00")
            }
        })
        .collect()
}

fn place_order(order_id: &str, total: &str) -> IdempotencyKey {
    let body = json!({ "order_id": order_id, "total": total, "order_customer": customer(), "items": [item()] });
    intent(Wish::Place, Some(order_id), &body)
}

fn place_without_number() -> IdempotencyKey {
    intent(Wish::Place, None, &json!({ "order_customer": customer(), "items": [item()] }))
}

fn customer() -> Value {
    json!({ "customer_id": 2, "name": "Ada", "email": "ada@example.com" })
}

fn item() -> Value {
    json!({ "product_id": 1, "name": "Bayonetta 3", "quantity": 1, "price_per_unit": "95.00" })
}

fn command(random: &mut Rng, order_id: &str) -> IdempotencyKey {
    let status = Status::ALL[random.usize(0..5)];
    let wish = match random.u8(0..10) {
        0 => Wish::Cancel,
        1..3 => Wish::SetStatus(status),
        3..6 => Wish::Next(Some(status)),
        _ => Wish::Next(None),
    };
    let body = match wish {
        Wish::SetStatus(status) => json!({ "order_id": order_id, "status": status.name() }),
        Wish::Next(from) => json!({ "order_id": order_id, "from": from.map(Status::name) }),
        Wish::Cancel | Wish::Place | Wish::Nonsense(_) => json!({ "order_id": order_id }),
    };
    let needs_id = wish == Wish::Next(None);
    let mut intent = intent(wish, Some(order_id), &body);
    intent.answered = random.bool();
    if !needs_id && random.u8(0..4) == 0 {
        // Harmless to repeat, so it needs no id; the answer tells that it was handled.
        intent.message_id = None;
        intent.answered = true;
    }
    intent
}

/// A publisher's mistake: an id that is taken, for other words. The space makes them so.
fn same_id_other_words(taken: &IdempotencyKey) -> IdempotencyKey {
    let label = format!("{}-again", taken.label);
    let body = [&taken.body, &b" "[..]].concat();
    IdempotencyKey { label, body, ..taken.clone() }
}

fn nonsense(random: &mut Rng) -> IdempotencyKey {
    let (code, body): (_, &[u8]) = [
        ("empty_body", &b""[..]),
        ("malformed_json", b"{\"order_id\":"),
        ("not_utf8", b"\xff\xfe{}"),
        ("duplicate_key", br#"{"order_id":1,"order_id":1}"#),
        ("missing_field", b"{}"),
        ("invalid_field", br#"{"order_id":[]}"#),
        ("unknown_command", br#"{"type":"Frobnicate"}"#),
    ][random.usize(0..7)];
    IdempotencyKey { body: body.to_owned(), ..intent(Wish::Nonsense(code), None, &json!({})) }
}

fn intent(wish: Wish, order_id: Option<&str>, body: &Value) -> IdempotencyKey {
    IdempotencyKey {
        label: String::new(),
        message_id: Some(String::new()),
        order_id: order_id.map(str::to_owned),
        wish,
        answered: false,
        body: body.to_string().into_bytes(),
    }
}

/// Interleaves the orders, swaps some neighbours and repeats some intents.
fn in_disorder(intents: Vec<IdempotencyKey>, random: &mut Rng) -> Vec<IdempotencyKey> {
    let mut sorted: Vec<(u32, IdempotencyKey)> = Vec::new();
    for (place, intent) in (0..).zip(intents) {
        // Near its place within its order, wherever that order stands among the others.
        let moment = place * 3 % 40 + random.u32(0..12);
        if random.u8(0..6) == 0 {
            sorted.push((moment + random.u32(0..30), intent.clone()));
        }
        sorted.push((moment, intent));
    }
    sorted.sort_by_key(|(moment, _)| *moment);
    sorted.into_iter().map(|(_, intent)| intent).collect()
}
