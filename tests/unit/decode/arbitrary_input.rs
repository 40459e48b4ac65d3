//! What holds for every input.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::*;

/// Decodes as each kind of command, and checks what must hold for every result.
fn decode_in_every_way(body: &[u8]) {
    let routing_keys = CommandKind::ALL.map(|kind| format!("order.{}", kind.word()));
    for routing_key in routing_keys.iter().map(String::as_str).chain(["elsewhere"]) {
        match decoded(routing_key, body).result {
            Ok(message) => {
                assert!(
                    message.command.missing_for_idempotence().is_none()
                        || message.idempotency_key.is_some()
                );
            }
            Err(dead) => assert!(dead.detail.len() <= 1024),
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any_key(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let names: Vec<String> =
        ["order_id", "items", "type", "from", "status", "message_id"].map(str::to_owned).to_vec();
    prop_oneof![prop::sample::select(names), any::<String>()]
}

/// Bytes to insert into a body: tokens of JSON, and any others.
fn any_patch() -> impl Strategy<Value = Vec<u8>> {
    let telling = [
        "{", "}", "[", "]", "\"", ",", ":", "\\", "\\u", "\\ud800", "\\u0000", "-", "e", ".", "0",
        "null", "true", "1e999", "\u{feff}", "items",
    ];
    let telling = telling.map(|text| text.as_bytes().to_vec()).to_vec();
    prop_oneof![prop::sample::select(telling), prop::collection::vec(any::<u8>(), 0..4)]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_in_every_way(&body);
    }

    #[test]
    fn no_json_makes_it_panic(body in any_json()) {
        decode_in_every_way(body.to_string().as_bytes());
    }

    #[test]
    fn no_mutation_of_an_order_makes_it_panic(
        patches in prop::collection::vec((any::<Index>(), 0..20_usize, any_patch()), 1..5)
    ) {
        let mut body = an_order().into_bytes();
        for (at, removed, patch) in patches {
            let start = at.index(body.len() + 1);
            let end = (start + removed).min(body.len());
            body.splice(start..end, patch);
        }
        decode_in_every_way(&body);
    }

    #[test]
    fn no_properties_make_it_panic(kind: Option<String>, id: Option<String>, trace: String) {
        let headers = [("traceparent".to_owned(), HeaderValue::Text(trace))].into_iter().collect();
        let properties = Properties {
            kind,
            message_id: id.clone(),
            correlation_id: id.clone(),
            reply_to: id,
            headers,
            ..Properties::default()
        };
        if let Err(dead) = with_properties(properties, &an_order()).result {
            prop_assert!(dead.detail.len() <= 1024);
        }
    }

    #[test]
    fn any_json_in_an_unknown_field_is_ignored(unknown in any_json()) {
        let body = json!({ "order_id": 7, "unknown": unknown });
        for text in [body.to_string(), format!("{body:#}")] {
            let decoded = decoded("order.cancel", text);
            prop_assert!(decoded.result.is_ok());
            prop_assert_eq!(decoded.deviations, Deviations { unknown_fields: 1, ..Deviations::default() });
        }
    }

    #[test]
    fn every_text_is_read_as_it_was_written(reason in "[^\0]{0,200}") {
        let body = json!({ "order_id": 7, "reason": reason }).to_string();
        let escaped: String = body.chars().map(escape_beyond_ascii).collect();
        for body in [body, escaped] {
            let message = message("order.cancel", &body);
            prop_assert_eq!(message.command.reason().unwrap().as_str(), &reason);
        }
    }

    #[test]
    fn every_amount_is_read_exactly(cents in 0..1_000_000_000_000_i64, as_text: bool) {
        let digits = format!("{}.{:02}", cents / 100, cents % 100);
        let raw = if as_text { format!("\"{digits}\"") } else { digits };
        prop_assert_eq!(placed(&order_with("total", &raw)).total.cents(), cents);
    }
}

/// As clients escape JSON that avoid non-ASCII characters.
fn escape_beyond_ascii(character: char) -> String {
    if character.is_ascii() {
        return character.to_string();
    }
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units);
    units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat()
}
