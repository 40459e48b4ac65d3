//! Creates copies of a message for a retry, the dead letters, or another partition. Body and
//! properties are kept, except headers that the broker adds, or that a publisher could forge.

use chrono::{DateTime, Utc};

use uuid::Uuid;

use crate::domain::{CommandKind, OrderId};
use crate::messages::wire::format_moment;
use crate::messages::{
    DeadLetterReason, Envelope, HeaderValue, Headers, Properties, Publication, Target,
};
use crate::service_layer::dead_letters::headers::{
    ATTEMPTS, CODE, DEAD_LETTER_ID, DETAIL, EXCEPTION_MESSAGE, FAILED_AT, ORIGINAL_EXCHANGE,
    ORIGINAL_ROUTING_KEY, is_broker_history, is_reason,
};
use crate::service_layer::set_order_id;

/// Maximum length of the detail in a header, in bytes.
const MAX_DETAIL_BYTES: usize = 1024;

/// The number of failed attempts, as recorded by the worker. 0 for a dead letter that was moved
/// back to the queue.
pub fn failed_attempts(properties: &Properties) -> u32 {
    if properties.headers.contains_key(CODE) {
        return 0;
    }
    let attempts = properties.headers.get(ATTEMPTS).and_then(HeaderValue::as_int).unwrap_or(0);
    u32::try_from(attempts.max(0)).unwrap_or(u32::MAX)
}

/// The copy for the queue of retry `attempt`. Its type is set to the command, because its routing key
/// changes on the way back.
pub fn retry(envelope: Envelope, kind: Option<CommandKind>, attempt: u32) -> Publication {
    let original = Original::of(&envelope);
    let mut properties = forwarded(envelope.properties);
    properties.kind = kind.map(|kind| kind.name().to_owned()).or(properties.kind);
    properties.headers.insert(ATTEMPTS.to_owned(), i64::from(attempt).into());
    original.write_to(&mut properties.headers);
    Publication { target: Target::Retry { attempt }, properties, body: envelope.body }
}

/// The copy for the partition of its order, with the order-id header.
pub fn rerouted(envelope: Envelope, order_id: &OrderId) -> Publication {
    let Envelope { routing_key, properties, body, .. } = envelope;
    let mut properties = forwarded(properties);
    set_order_id(&mut properties, order_id);
    Publication { target: Target::Partition { routing_key }, properties, body }
}

/// The copy for the dead letters, with the reason in its headers.
pub fn dead_letter(
    envelope: Envelope,
    reason: &DeadLetterReason,
    attempts: u32,
    at: DateTime<Utc>,
) -> Publication {
    let original = Original::of(&envelope);
    let mut properties = forwarded(envelope.properties);
    let detail = truncated(&reason.detail);
    let headers = [
        (CODE, reason.code.as_str().into()),
        (DETAIL, detail.into()),
        (FAILED_AT, format_moment(at).as_str().into()),
        (ATTEMPTS, i64::from(attempts).into()),
        (DEAD_LETTER_ID, Uuid::now_v7().to_string().as_str().into()),
        (EXCEPTION_MESSAGE, truncated(&format!("{}: {detail}", reason.code.as_str())).into()),
    ];
    properties
        .headers
        .extend(headers.map(|(name, value): (_, HeaderValue)| (name.to_owned(), value)));
    original.write_to(&mut properties.headers);
    let target = Target::DeadLetters { routing_key: original.routing_key };
    Publication { target, properties, body: envelope.body }
}

/// The exchange and routing key of the publisher. A retried message has them in its headers.
struct Original {
    exchange: String,
    routing_key: String,
}

impl Original {
    fn of(envelope: &Envelope) -> Self {
        let headers = &envelope.properties.headers;
        let stored =
            |name: &str| headers.get(name).and_then(HeaderValue::as_text).map(str::to_owned);
        // An AMQP routing key has at most 255 bytes, so a longer value was not written by a worker.
        let stored_key = stored(ORIGINAL_ROUTING_KEY).filter(|key| key.len() <= 255);
        match (failed_attempts(&envelope.properties), stored_key) {
            (1.., Some(routing_key)) => {
                Self { exchange: stored(ORIGINAL_EXCHANGE).unwrap_or_default(), routing_key }
            }
            _ => Self {
                exchange: envelope.exchange.clone(),
                routing_key: envelope.routing_key.clone(),
            },
        }
    }

    fn write_to(&self, headers: &mut Headers) {
        headers.insert(ORIGINAL_EXCHANGE.to_owned(), self.exchange.as_str().into());
        headers.insert(ORIGINAL_ROUTING_KEY.to_owned(), self.routing_key.as_str().into());
    }
}

/// RabbitMQ's pseudo-queue for direct reply-to, as named by a requester.
const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The properties of the copy. Those that would affect the broker again (CC and BCC, expiration,
/// priority, the user id of another user) are moved to headers, so that nothing is lost.
fn forwarded(mut properties: Properties) -> Properties {
    let mut noted: Vec<(&str, HeaderValue)> = Vec::new();
    for (name, noted_as) in
        [("CC", "order-worker-original-cc"), ("BCC", "order-worker-original-bcc")]
    {
        noted.extend(properties.headers.remove(name).map(|value| (noted_as, value)));
    }
    // Only the requester itself may publish with this name; for others, the broker closes the
    // channel.
    let direct = properties.reply_to.take_if(|queue| queue == DIRECT_REPLY_TO);
    noted.extend(direct.map(|queue| ("order-worker-original-reply-to", HeaderValue::Text(queue))));
    let user_id = properties.user_id.take().map(HeaderValue::Text);
    let expiration = properties.expiration.take().map(HeaderValue::Text);
    let priority = properties.priority.take().map(|priority| HeaderValue::Int(priority.into()));
    noted.extend(user_id.map(|value| ("order-worker-original-user-id", value)));
    noted.extend(expiration.map(|value| ("order-worker-original-expiration", value)));
    noted.extend(priority.map(|value| ("order-worker-original-priority", value)));
    properties.headers.retain(|name, _| !is_broker_history(name) && !is_reason(name));
    properties.headers.extend(noted.into_iter().map(|(name, value)| (name.to_owned(), value)));
    properties
}

/// Truncates a text at a character boundary.
fn truncated(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_DETAIL_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::DeadLetterCode;

    fn envelope_with(headers: impl IntoIterator<Item = (&'static str, HeaderValue)>) -> Envelope {
        Envelope {
            exchange: "orders.commands".to_owned(),
            routing_key: "order.place".to_owned(),
            properties: Properties {
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                ..Properties::default()
            },
            body: b"{".to_vec(),
            ..Envelope::default()
        }
    }

    fn dead(envelope: Envelope) -> Publication {
        let reason = DeadLetterReason::new(DeadLetterCode::MalformedJson, "line 1, column 1");
        dead_letter(envelope, &reason, 1, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_dead_letter_has_its_bytes_its_origin_and_the_reason() {
        let dead_letter = dead(envelope_with([("shop", "eu".into())]));

        let header =
            |name: &str| dead_letter.properties.headers[name].as_text().unwrap().to_owned();
        assert_eq!(dead_letter.body, b"{");
        assert_eq!(
            dead_letter.target,
            Target::DeadLetters { routing_key: "order.place".to_owned() }
        );
        assert_eq!(header("shop"), "eu");
        assert_eq!(header("order-worker-code"), "malformed_json");
        assert_eq!(header("order-worker-detail"), "line 1, column 1");
        assert_eq!(header("order-worker-failed-at"), "1970-01-01T00:00:00.000000Z");
        assert_eq!(header("x-exception-message"), "malformed_json: line 1, column 1");
        assert_eq!(header("x-original-exchange"), "orders.commands");
        assert_eq!(header("x-original-routingKey"), "order.place");
        assert_eq!(dead_letter.properties.headers[ATTEMPTS], 1.into());
    }

    #[test]
    fn properties_that_affect_the_broker_become_headers() {
        let mut envelope = envelope_with([
            ("CC", HeaderValue::List(vec!["other.queue".into()])),
            ("x-death", HeaderValue::List(Vec::new())),
            ("x-delivery-count", HeaderValue::Int(19)),
        ]);
        envelope.properties.expiration = Some("60000".to_owned());
        envelope.properties.priority = Some(9);
        envelope.properties.user_id = Some("shop".to_owned());
        envelope.properties.reply_to = Some(DIRECT_REPLY_TO.to_owned());

        let properties = dead(envelope).properties;
        assert_eq!(properties.reply_to, None);

        let names: Vec<&str> = properties.headers.keys().map(String::as_str).collect();
        assert!(!names.iter().any(|name| ["CC", "x-death", "x-delivery-count"].contains(name)));
        assert_eq!(
            (properties.expiration, properties.priority, properties.user_id),
            (None, None, None)
        );
        assert_eq!(properties.headers["order-worker-original-priority"], 9.into());
        assert_eq!(properties.headers["order-worker-original-expiration"], "60000".into());
        assert_eq!(properties.headers["order-worker-original-user-id"], "shop".into());
        assert!(properties.headers.contains_key("order-worker-original-cc"));
    }

    #[test]
    fn a_retried_message_remembers_where_it_was_sent_first() {
        let waiting = retry(envelope_with([]), Some(CommandKind::PlaceOrder), 1);
        let mut back = envelope_with([]);
        back.exchange = String::new();
        back.routing_key = "orders.commands".to_owned();
        back.properties = waiting.properties;

        assert_eq!(back.properties.kind.as_deref(), Some("PlaceOrder"));
        assert_eq!(failed_attempts(&back.properties), 1);
        assert_eq!(
            dead(back).target,
            Target::DeadLetters { routing_key: "order.place".to_owned() }
        );
    }

    #[test]
    fn a_dead_letter_that_was_moved_back_starts_over() {
        let mut back = envelope_with([]);
        back.properties = dead(envelope_with([])).properties;

        assert_eq!(failed_attempts(&back.properties), 0);
        let waiting = retry(back, Some(CommandKind::PlaceOrder), 1);
        assert_eq!(failed_attempts(&waiting.properties), 1);
    }

    #[test]
    fn a_long_detail_is_cut_between_characters() {
        let reason = DeadLetterReason::new(DeadLetterCode::InvalidField, "ü".repeat(2000));
        let dead_letter = dead_letter(envelope_with([]), &reason, 1, DateTime::UNIX_EPOCH);

        let detail = dead_letter.properties.headers["order-worker-detail"].as_text().unwrap();
        assert_eq!(detail.len(), MAX_DETAIL_BYTES);
    }

    #[test]
    fn attempts_of_a_wrong_type_or_size_count_as_none_or_as_many() {
        for (value, attempts) in
            [("3".into(), 0), (HeaderValue::Int(-1), 0), (HeaderValue::Int(i64::MAX), u32::MAX)]
        {
            assert_eq!(failed_attempts(&envelope_with([(ATTEMPTS, value)]).properties), attempts);
        }
    }
}
