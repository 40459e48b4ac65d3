//! Parses a message from the dead-letter queue. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::messages::{Envelope, HeaderValue, Headers};
use crate::service_layer::Delivery;
use crate::service_layer::dead_letters::headers::{
    ATTEMPTS, CODE, DEAD_LETTER_ID, DETAIL, FAILED_AT, ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY,
    REPLAY, REPLAY_OF,
};
use crate::service_layer::dead_letters::{DeadLetter, DeadLetterKey, Reason, Subject};
use crate::service_layer::decode;

/// Parses a delivery of the dead-letter queue; `now` is used if it does not say when it failed.
pub fn read(delivery: Delivery, now: DateTime<Utc>) -> DeadLetter {
    let Delivery { envelope, redelivered, .. } = delivery;
    let failure = Failure::of(&envelope);
    let key = key_of(&envelope, redelivered, &failure);
    let headers = &envelope.properties.headers;
    let replay_of = replay_of(headers);
    let attempts = int(headers, ATTEMPTS).unwrap_or(0);
    let Failure { exchange, routing_key, code, detail, failed_at } = failure;
    let envelope = Envelope { routing_key, ..envelope };
    let subject = subject_of(&envelope);
    let reason = Reason { pattern: pattern_of(&detail), code, detail };
    let Envelope { routing_key, properties, body, .. } = envelope;
    let failed_at = failed_at.unwrap_or(now);
    DeadLetter {
        key,
        exchange,
        routing_key,
        properties,
        body,
        reason,
        subject,
        failed_at,
        attempts,
        replay_of,
    }
}

/// How a message became a dead letter.
struct Failure {
    exchange: String,
    routing_key: String,
    code: String,
    detail: String,
    failed_at: Option<DateTime<Utc>>,
}

impl Failure {
    fn of(envelope: &Envelope) -> Self {
        let headers = &envelope.properties.headers;
        match (text(headers, CODE), first_death(headers)) {
            // The newer of the two reasons: the worker removes the broker's from what it publishes.
            (_, Some(death)) => Self::by_broker(envelope, death),
            (Some(code), None) => Self::by_worker(envelope, code),
            (None, None) => Self::unknown(envelope),
        }
    }

    fn by_worker(envelope: &Envelope, code: &str) -> Self {
        let headers = &envelope.properties.headers;
        let failed_at = text(headers, FAILED_AT).and_then(|moment| moment.parse().ok());
        Self {
            exchange: storable(text(headers, ORIGINAL_EXCHANGE).unwrap_or_default()),
            routing_key: storable(
                text(headers, ORIGINAL_ROUTING_KEY).unwrap_or(&envelope.routing_key),
            ),
            code: storable(code),
            detail: storable(text(headers, DETAIL).unwrap_or_default()),
            failed_at,
        }
    }

    /// The form of `x-death` is that of <https://www.rabbitmq.com/docs/dlx#effects>.
    fn by_broker(envelope: &Envelope, death: &Headers) -> Self {
        let keys = match death.get("routing-keys") {
            Some(HeaderValue::List(keys)) => keys.as_slice(),
            _ => &[],
        };
        // A retry returns with the queue's name as routing key; its headers have the original one.
        let headers = &envelope.properties.headers;
        let original = int(headers, ATTEMPTS).and_then(|_| text(headers, ORIGINAL_ROUTING_KEY));
        let routing_key = original.or_else(|| keys.first().and_then(HeaderValue::as_text));
        let reason = text(death, "reason").unwrap_or("unknown");
        let count = death.get("count").and_then(HeaderValue::as_int).unwrap_or(1);
        let queue = text(death, "queue").unwrap_or("a queue");
        let failed_at = match death.get("time") {
            Some(HeaderValue::Timestamp(seconds)) => i64::try_from(*seconds).ok(),
            _ => None,
        };
        Self {
            exchange: storable(text(death, "exchange").unwrap_or_default()),
            routing_key: storable(routing_key.unwrap_or(&envelope.routing_key)),
            code: storable(reason),
            detail: storable(&format!(
                "the broker dead-lettered it from {queue} ({reason}, {count} times)"
            )),
            failed_at: failed_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        }
    }

    fn unknown(envelope: &Envelope) -> Self {
        Self {
            exchange: storable(&envelope.exchange),
            routing_key: storable(&envelope.routing_key),
            code: "unknown".to_owned(),
            detail: "no header of the message gives a reason".to_owned(),
            failed_at: None,
        }
    }
}

/// The latest entry of `x-death`, which brokers put first.
fn first_death(headers: &Headers) -> Option<&Headers> {
    match headers.get("x-death") {
        Some(HeaderValue::List(deaths)) => match deaths.first() {
            Some(HeaderValue::Table(death)) => Some(death),
            _ => None,
        },
        _ => None,
    }
}

/// The same for each delivery of one dead letter. The worker's own dead letters have an id; others
/// are identified by their content. Without a message id either, a first delivery is always new.
fn key_of(envelope: &Envelope, redelivered: bool, failure: &Failure) -> DeadLetterKey {
    let properties = &envelope.properties;
    let mut hash = Sha256::new();
    let own_id = text(&properties.headers, DEAD_LETTER_ID);
    for part in
        [own_id, properties.message_id.as_deref(), Some(&failure.code), Some(&failure.routing_key)]
    {
        hash.update(part.unwrap_or_default());
        hash.update([0]);
    }
    hash.update(failure.failed_at.map_or(0, |at| at.timestamp_micros()).to_be_bytes());
    if own_id.is_none() && properties.message_id.is_none() && !redelivered {
        hash.update(Uuid::now_v7().as_bytes());
    }
    hash.update(&envelope.body);
    let digest = hash.finalize();
    let mut key = DeadLetterKey::default();
    let length = key.len();
    key.copy_from_slice(&digest[..length]);
    key
}

fn replay_of(headers: &Headers) -> Option<(DeadLetterKey, u32)> {
    let key = Uuid::try_parse(text(headers, REPLAY_OF)?).ok()?;
    Some((key.into_bytes(), int(headers, REPLAY)?))
}

/// What a message is about: the command as the decoder recognizes it, and the identifiers if the
/// body is JSON.
pub fn subject_of(envelope: &Envelope) -> Subject {
    let command = decode::decode(envelope).kind.map(|kind| kind.name().to_owned());
    let within_bounds = envelope.body.len() <= decode::MAX_BODY_BYTES;
    let body = if within_bounds { members(&envelope.body) } else { Members::new() };
    let customer = body.get("order_customer").map(|customer| members(customer.get().as_bytes()));
    Subject {
        command,
        order_id: body.get("order_id").and_then(identifier),
        customer_id: customer.and_then(|customer| customer.get("customer_id").and_then(identifier)),
    }
}

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The members of an object, as text: numbers keep their digits, whatever their size. Empty if it is
/// not an object.
fn members(json: &[u8]) -> Members<'_> {
    serde_json::from_slice(json).unwrap_or_default()
}

fn identifier(value: &&RawValue) -> Option<String> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok().map(|text: String| storable(&text)),
        b'-' | b'0'..=b'9' => Some(storable(text)),
        _ => None,
    }
}

/// The message as its publisher sent it, for the decoder.
pub fn as_sent(dead_letter: &DeadLetter) -> Envelope {
    Envelope {
        exchange: dead_letter.exchange.clone(),
        routing_key: dead_letter.routing_key.clone(),
        properties: dead_letter.properties.clone(),
        body: dead_letter.body.clone(),
        ..Envelope::default()
    }
}

/// The detail with `…` in place of what differs between messages: words with a digit, digits in
/// brackets, and the word after `order` or `id`.
pub fn pattern_of(detail: &str) -> String {
    let mut named = false;
    let words = detail.split(' ').map(|word| {
        let is_name = std::mem::replace(&mut named, ["order", "id"].contains(&word));
        if word.contains('[') {
            without_digits(word)
        } else if is_name || word.chars().any(|c| c.is_ascii_digit()) {
            "…".to_owned()
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn without_digits(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            '0'..='9' if out.ends_with('…') => {}
            '0'..='9' => out.push('…'),
            c => out.push(c),
        }
    }
    out
}

/// A text for a column: without NUL, which PostgreSQL rejects, and of at most 1024 bytes, which only a
/// forged header exceeds.
fn storable(text: &str) -> String {
    text[..text.floor_char_boundary(1024)].replace('\0', "\u{fffd}")
}

fn text<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(HeaderValue::as_text)
}

fn int(headers: &Headers, name: &str) -> Option<u32> {
    headers.get(name).and_then(HeaderValue::as_int).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Properties;
    use crate::service_layer::DeliveryTag;

    fn delivery(headers: &[(&str, HeaderValue)]) -> Delivery {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let envelope = Envelope {
            exchange: "orders.dead-letter".to_owned(),
            routing_key: "order.cancel".to_owned(),
            properties: Properties { headers, ..Properties::default() },
            body: br#"{"order_id": 14, "order_customer": {"customer_id": "c"}}"#.to_vec(),
            ..Envelope::default()
        };
        let tag = DeliveryTag { channel: 1, number: 1 };
        Delivery { tag, redelivered: false, envelope, reservation: None }
    }

    #[test]
    fn a_dead_letter_of_the_worker_has_its_reason_and_its_origin() {
        let dead_letter = read(
            delivery(&[
                (CODE, "order_not_found".into()),
                (DETAIL, "order 3-14 does not exist (yet)".into()),
                (FAILED_AT, "2026-11-20T09:30:37.123456Z".into()),
                (ATTEMPTS, 4.into()),
                (ORIGINAL_EXCHANGE, "shop".into()),
                (ORIGINAL_ROUTING_KEY, "order.set_next_status".into()),
            ]),
            DateTime::UNIX_EPOCH,
        );

        assert_eq!(dead_letter.reason.code, "order_not_found");
        assert_eq!(dead_letter.reason.pattern, "order … does not exist (yet)");
        assert_eq!((dead_letter.exchange.as_str(), dead_letter.attempts), ("shop", 4));
        assert_eq!(dead_letter.subject.command.as_deref(), Some("SetNextStatus"));
        assert_eq!(dead_letter.subject.order_id.as_deref(), Some("14"));
        assert_eq!(dead_letter.subject.customer_id.as_deref(), Some("c"));
        assert_eq!(dead_letter.failed_at.timestamp_subsec_micros(), 123_456);
    }

    #[test]
    fn a_dead_letter_of_the_broker_has_the_brokers_reason() {
        let death = Headers::from([
            ("reason".to_owned(), "delivery_limit".into()),
            ("queue".to_owned(), "orders.commands".into()),
            ("count".to_owned(), 1.into()),
            ("time".to_owned(), HeaderValue::Timestamp(1_800_000_000)),
            ("exchange".to_owned(), "orders.commands".into()),
            ("routing-keys".to_owned(), HeaderValue::List(vec!["order.place".into()])),
        ]);
        let deaths = HeaderValue::List(vec![HeaderValue::Table(death)]);

        let dead_letter = read(delivery(&[("x-death", deaths)]), DateTime::UNIX_EPOCH);

        assert_eq!(dead_letter.reason.code, "delivery_limit");
        assert_eq!(dead_letter.routing_key, "order.place");
        assert_eq!(dead_letter.failed_at.timestamp(), 1_800_000_000);
    }

    #[test]
    fn each_delivery_of_a_dead_letter_has_the_same_key_and_another_dead_letter_has_another() {
        let own = [(DEAD_LETTER_ID, "1".into()), (CODE, "malformed_json".into())];
        let other = [(DEAD_LETTER_ID, "2".into()), (CODE, "malformed_json".into())];
        let key = |headers: &[_]| read(delivery(headers), DateTime::UNIX_EPOCH).key;

        assert_eq!(key(&own), key(&own));
        assert_ne!(key(&own), key(&other));
        assert_ne!(key(&[]), key(&[]), "two first deliveries without any id are two dead letters");
    }

    #[test]
    fn details_that_differ_in_numbers_and_names_only_have_one_pattern() {
        for (detail, pattern) in [
            ("items[12].price_per_unit must be ≥ 0", "items[…].price_per_unit must be ≥ …"),
            (
                "message id place-abc was used before with another body",
                "message id … was used before with another body",
            ),
            ("the body is not JSON: line 1 column 2", "the body is not JSON: line … column …"),
        ] {
            assert_eq!(pattern_of(detail), pattern);
        }
    }

    #[test]
    fn the_subject_has_the_digits_of_the_body() {
        for (body, order_id) in [
            (
                r#"{"order_id":2026112721511750000001,"status":"Bogus"}"#,
                Some("2026112721511750000001"),
            ),
            (r#"{"order_id":"0017","weight":1e400}"#, Some("0017")),
            (r#"{"order_id":1.0}"#, Some("1.0")),
            (r#"{"order_id":1,"order_id":2}"#, Some("2")),
            (r#"{"order_id":null}"#, None),
            (r#"{"order_id":[1]}"#, None),
            ("[1]", None),
            ("{", None),
        ] {
            let envelope = Envelope { body: body.into(), ..Envelope::default() };
            assert_eq!(subject_of(&envelope).order_id.as_deref(), order_id, "{body}");
        }
    }

    #[test]
    fn a_nul_never_gets_into_a_column() {
        let dead_letter =
            read(delivery(&[(CODE, "a\0b".into()), (DETAIL, "\0".into())]), DateTime::UNIX_EPOCH);

        assert_eq!(
            (dead_letter.reason.code.as_str(), dead_letter.reason.detail.as_str()),
            ("a\u{fffd}b", "\u{fffd}")
        );
    }
}
