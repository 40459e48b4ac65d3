//! The message that replays a dead letter. Pure.

use serde_json::Value;
use uuid::Uuid;

use crate::domain::{CommandKind, OrderId};
use crate::messages::{Publication, Target};
use crate::service_layer::dead_letters::headers::{
    ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, REPLAY, REPLAY_OF, is_broker_history, is_reason,
};
use crate::service_layer::dead_letters::{DeadLetter, DeadLetterRecord};
use crate::service_layer::{ORDER_ID_HEADER, set_order_id};

/// The message for the commands exchange: the same bytes and message id, without the headers that
/// brokers and the worker added. It never goes to an exchange that a header names.
///
/// A message without an id gets one made from the dead letter's key, so that a second copy is a
/// duplicate.
pub fn publication_of(record: &DeadLetterRecord, replay: u32) -> Publication {
    let dead_letter = &record.dead_letter;
    let key = Uuid::from_bytes(dead_letter.key).simple().to_string();
    let mut properties = dead_letter.properties.clone();
    properties.headers.retain(|name, _| !is_added(name));
    properties.headers.insert(REPLAY_OF.to_owned(), key.as_str().into());
    properties.headers.insert(REPLAY.to_owned(), i64::from(replay).into());
    (properties.priority, properties.expiration, properties.user_id) = (None, None, None);
    let has_id = properties.message_id.as_ref().is_some_and(|id| !id.is_empty());
    if !has_id && !has_message_id(&dead_letter.body) {
        properties.message_id = Some(format!("dead-letter-{key}"));
    }
    // The body may have been edited: the header must name the order that it names now.
    properties.headers.remove(ORDER_ID_HEADER);
    if let Some(Ok(order_id)) = dead_letter.subject.order_id.as_deref().map(OrderId::new) {
        set_order_id(&mut properties, &order_id);
    }
    let target = Target::Commands { routing_key: routing_key_of(dead_letter) };
    Publication { target, properties, body: dead_letter.body.clone() }
}

/// The original routing key. A message that was published straight to the queue, through the default
/// exchange, has the queue's name instead, which no binding of the commands exchange matches.
fn routing_key_of(dead_letter: &DeadLetter) -> String {
    let kind = dead_letter.subject.command.as_deref().and_then(CommandKind::from_name);
    match kind {
        Some(kind) if !dead_letter.routing_key.starts_with("order.") => {
            format!("order.{}", kind.word())
        }
        _ => dead_letter.routing_key.clone(),
    }
}

/// Whether the worker or a broker added the header, or it would send copies elsewhere.
fn is_added(name: &str) -> bool {
    is_reason(name)
        || is_broker_history(name)
        || name.starts_with("order-worker-")
        || [ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, "CC", "BCC"].contains(&name)
}

fn has_message_id(body: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => !matches!(&body["message_id"], Value::Null) && body["message_id"] != "",
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::messages::{Envelope, HeaderValue, Properties};
    use crate::service_layer::dead_letters::DeadLetterState;
    use crate::service_layer::dead_letters::headers::{ATTEMPTS, CODE, DEAD_LETTER_ID};
    use crate::service_layer::dead_letters::read;
    use crate::service_layer::{Delivery, DeliveryTag};

    fn stored(properties: Properties, routing_key: &str, body: &str) -> DeadLetterRecord {
        let envelope = Envelope {
            exchange: "elsewhere".to_owned(),
            routing_key: routing_key.to_owned(),
            properties,
            body: body.as_bytes().to_vec(),
            ..Envelope::default()
        };
        let tag = DeliveryTag { channel: 1, number: 1 };
        let delivery = Delivery { tag, redelivered: false, envelope, reservation: None };
        let dead_letter = read(delivery, DateTime::UNIX_EPOCH);
        DeadLetterRecord {
            id: 1,
            dead_letter,
            state: DeadLetterState::Open,
            first_failed_at: DateTime::UNIX_EPOCH,
            failures: 1,
            replays: 0,
            revision: 1,
            original_body: None,
            changed_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_replay_goes_to_the_commands_exchange_without_the_headers_of_worker_and_broker() {
        let headers = [
            ("shop", "eu".into()),
            ("CC", HeaderValue::List(vec!["elsewhere".into()])),
            ("BCC", HeaderValue::List(vec!["elsewhere".into()])),
            ("x-death", HeaderValue::List(Vec::new())),
            ("x-delivery-count", 9.into()),
            (CODE, "order_not_found".into()),
            (DEAD_LETTER_ID, "1".into()),
            (ATTEMPTS, 4.into()),
            (ORIGINAL_EXCHANGE, "elsewhere".into()),
        ];
        let properties = Properties {
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            message_id: Some("m-1".to_owned()),
            expiration: Some("1".to_owned()),
            priority: Some(9),
            user_id: Some("shop".to_owned()),
            ..Properties::default()
        };
        let publication = publication_of(&stored(properties, "order.cancel", "{}"), 3);

        let names: Vec<&str> = publication.properties.headers.keys().map(String::as_str).collect();
        assert_eq!(names, [REPLAY, REPLAY_OF, "shop"]);
        assert_eq!(publication.properties.headers[REPLAY], 3.into());
        assert_eq!(publication.target, Target::Commands { routing_key: "order.cancel".to_owned() });
        assert_eq!(publication.properties.message_id.as_deref(), Some("m-1"));
        let Properties { expiration, priority, user_id, .. } = publication.properties;
        assert_eq!((expiration, priority, user_id), (None, None, None));
    }

    #[test]
    fn replays_without_a_message_id_get_the_same_one() {
        let nameless = stored(Properties::default(), "order.cancel", r#"{"order_id": 1}"#);
        let id = |replay| publication_of(&nameless, replay).properties.message_id;

        assert!(id(1).is_some_and(|id| id.starts_with("dead-letter-")));
        assert_eq!(id(1), id(2));
        let in_body = stored(Properties::default(), "order.cancel", r#"{"message_id": "m"}"#);
        assert_eq!(publication_of(&in_body, 1).properties.message_id, None);
    }

    #[test]
    fn a_message_that_was_published_straight_to_the_queue_gets_the_routing_key_of_its_command() {
        let properties =
            Properties { kind: Some("CancelOrder".to_owned()), ..Properties::default() };
        let direct = stored(properties, "orders.commands", "{}");

        let target = Target::Commands { routing_key: "order.cancel".to_owned() };
        assert_eq!(publication_of(&direct, 1).target, target);
    }
}
