//! The example commands have the outcomes that the demo needs.

use serde_json::Value;
use serde_json::value::RawValue;

use super::*;

const COMMANDS: &str = include_str!("../../../examples/commands.ndjson");

/// A line as it reaches the worker: a body, or an envelope.
fn delivered(line: &str) -> Envelope {
    let fields: Value = serde_json::from_str(line).unwrap();
    let property = |name: &str| fields[name].as_str().map(str::to_owned);
    let body = match (fields.get("body"), fields["body_text"].as_str()) {
        (Some(_), _) => verbatim_body(line),
        (None, Some(text)) => text.to_owned(),
        (None, None) => return envelope("order.unknown", line),
    };
    let mut envelope = envelope(&property("routing_key").unwrap_or_default(), body);
    envelope.properties.kind = property("type");
    envelope.properties.message_id = property("message_id");
    envelope
}

fn verbatim_body(line: &str) -> String {
    let fields: std::collections::BTreeMap<&str, &RawValue> = serde_json::from_str(line).unwrap();
    fields["body"].get().to_owned()
}

#[test]
fn the_story_begins_with_the_stores_own_order() {
    let first = delivered(COMMANDS.lines().next().unwrap());
    let unfolded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");

    assert_eq!(first.routing_key, "order.place");
    assert_eq!(String::from_utf8(first.body).unwrap(), unfolded(THE_STORES_ORDER));
}

#[test]
fn the_story_has_a_message_for_each_common_mistake() {
    let results = COMMANDS.lines().map(|line| decode(&delivered(line)).result);

    let refused: Vec<String> =
        results.filter_map(Result::err).map(|dead| dead.to_string()).collect();

    let [malformed, price, email, unknown, no_id] = &refused[..] else { panic!("{refused:?}") };
    assert!(malformed.starts_with("malformed_json: the body is not JSON: "), "{malformed}");
    assert_eq!(
        price,
        "invalid_field: items[0].price_per_unit must be a decimal number such as 12.50"
    );
    assert_eq!(email, "missing_field: order_customer.email is missing");
    assert_eq!(unknown, "unknown_command: the field type names no command");
    assert_eq!(no_id, "message_id_missing: SetNextStatus without from needs a message id");
}

#[test]
fn the_story_says_one_thing_twice_and_another_under_its_name() {
    let messages = COMMANDS.lines().filter_map(|line| decode(&delivered(line)).result.ok());

    let hashes: Vec<_> = messages
        .filter_map(|message| message.idempotency_key)
        .filter(|key| key.message_id.as_str() == "cart-7301")
        .map(|key| key.body_hash)
        .collect();

    let [first, repeat, mistake] = hashes[..] else { panic!("{} messages", hashes.len()) };
    assert_eq!(first, repeat);
    assert_ne!(first, mistake);
}
