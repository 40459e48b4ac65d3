//! The metadata: message id, reply queue, correlation id, trace.

use std::fmt::Write as _;

use order_worker::domain::MessageId;

use super::*;

#[test]
fn the_message_id_is_the_property_else_the_field() {
    let cases = [
        (Some("from-property"), r#""from-field""#, Some("from-property")),
        (Some("from-property"), r#"{"never": "read"}"#, Some("from-property")),
        (None, r#""from-field""#, Some("from-field")),
        (Some(""), "42", Some("42")),
        (None, r#""""#, None),
        (None, "null", None),
    ];
    for (property, field, expected) in cases {
        let body = format!(r#"{{"order_id": 7, "message_id": {field}}}"#);
        let mut envelope = envelope("order.cancel", body);
        envelope.properties.message_id = property.map(str::to_owned);

        let message = decode(&envelope).result.unwrap();

        assert_eq!(message.message_id().map(MessageId::as_str), expected);
    }
}

#[test]
fn a_message_id_that_cannot_be_kept_is_refused() {
    let long = "é".repeat(256);
    for (property, detail) in [
        ("a\u{0}b", "the property message_id must not contain control characters"),
        (&long, "the property message_id must have at most 255 characters, has 256"),
    ] {
        let properties = Properties { message_id: text(property), ..Properties::default() };
        let refusal = refusal(with_properties(properties, &an_order()));
        assert_eq!(refusal, (DeadLetterCode::InvalidField, detail.to_owned()));
    }
    let body = r#"{"order_id": 7, "message_id": 1.5}"#;
    let detail = "message_id must be text or an integer".to_owned();
    assert_eq!(refusal(decoded("order.cancel", body)), (DeadLetterCode::InvalidField, detail));
}

#[test]
fn only_what_is_harmless_to_repeat_is_taken_without_a_message_id() {
    let place = order_with("order_id", "null");
    for (routing_key, body, detail) in [
        ("order.place", place.as_str(), "PlaceOrder without order_id needs a message id"),
        (
            "order.set_next_status",
            r#"{"order_id": 7}"#,
            "SetNextStatus without from needs a message id",
        ),
    ] {
        let refusal = refusal(decoded(routing_key, body));
        assert_eq!(refusal, (DeadLetterCode::MessageIdMissing, detail.to_owned()));

        let mut with_id = envelope(routing_key, body);
        with_id.properties.message_id = text("intent-1");
        assert!(decode(&with_id).result.is_ok());
    }
    for (routing_key, body) in [
        ("order.place", an_order().as_str()),
        ("order.cancel", r#"{"order_id": 7}"#),
        ("order.set_status", r#"{"order_id": 7, "status": 2}"#),
        ("order.set_next_status", r#"{"order_id": 7, "from": 2}"#),
    ] {
        assert!(decoded(routing_key, body).result.is_ok());
    }
}

fn idempotency_key(kind: &str, body: &str) -> IdempotencyKey {
    let mut envelope = envelope("", body);
    envelope.properties.kind = text(kind);
    envelope.properties.message_id = text("intent-1");
    decode(&envelope).result.unwrap().idempotency_key.unwrap()
}

#[test]
fn an_intent_is_the_same_only_for_the_same_command_and_bytes() {
    let cancel = idempotency_key("CancelOrder", r#"{"order_id": 7}"#);

    assert_eq!(idempotency_key("cancel_order", r#"{"order_id": 7}"#), cancel);
    assert_ne!(idempotency_key("CancelOrder", r#"{"order_id":7}"#), cancel);
    assert_ne!(idempotency_key("SetNextStatus", r#"{"order_id": 7}"#), cancel);
}

/// If the hash changed, every duplicate of an older message would become a `message_id_reused`.
#[test]
fn the_hash_of_an_intent_stays_what_it_was() {
    let hash = idempotency_key("CancelOrder", r#"{"order_id": 7}"#).body_hash;

    let shown = hash.iter().fold(String::new(), |mut shown, byte| {
        write!(shown, "{byte:02x}").unwrap();
        shown
    });
    assert_eq!(shown, "b883904a7931733d224e3711dd9e3a41");
}

#[test]
fn correlation_id_and_reply_to_are_handed_on() {
    let properties = Properties {
        correlation_id: text("call-1"),
        reply_to: text("amq.gen-Xa2 ü'\"{}"),
        ..Properties::default()
    };

    let message = with_properties(properties, &an_order()).result.unwrap();

    assert_eq!(message.correlation_id, text("call-1"));
    assert_eq!(message.reply_to, text("amq.gen-Xa2 ü'\"{}"));
}

#[test]
fn empty_properties_are_absent_ones() {
    let empty = || text("");
    let properties = Properties {
        correlation_id: empty(),
        reply_to: empty(),
        message_id: empty(),
        kind: empty(),
        ..Properties::default()
    };

    let message = with_properties(properties, &an_order()).result.unwrap();

    assert_eq!((message.correlation_id, message.reply_to), (None, None));
    assert_eq!(message.idempotency_key, None);
}

#[test]
fn properties_with_control_characters_are_refused() {
    let correlation_id = Properties { correlation_id: text("a\nb"), ..Properties::default() };
    let reply_to = Properties { reply_to: text("\u{7f}"), ..Properties::default() };
    for (properties, name) in [(correlation_id, "correlation_id"), (reply_to, "reply_to")] {
        let detail = format!("the property {name} must not contain control characters");
        let refusal = refusal(with_properties(properties, &an_order()));
        assert_eq!(refusal, (DeadLetterCode::InvalidField, detail));
    }
}

fn traceparent(value: HeaderValue) -> Option<String> {
    let headers = [("traceparent".to_owned(), value)].into_iter().collect();
    let properties = Properties { headers, ..Properties::default() };
    with_properties(properties, &an_order()).result.unwrap().traceparent
}

#[test]
fn a_well_formed_traceparent_is_handed_on() {
    let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    assert_eq!(traceparent(value.into()), text(value));
}

#[test]
fn a_malformed_traceparent_is_ignored() {
    for value in [
        "",
        "00",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
    ] {
        assert_eq!(traceparent(value.into()), None, "{value}");
    }
    assert_eq!(traceparent(HeaderValue::Int(1)), None);
    assert_eq!(traceparent(HeaderValue::ByteArray(vec![0xff])), None);
}
