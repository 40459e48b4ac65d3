//! Outcomes and events of a batch.

mod assume_new;
mod outages;
mod replies;
mod store_errors;

use std::sync::Arc;

use crate::support::in_memory::InMemoryDatabase;
use order_worker::domain::Status;
use order_worker::messages::{Message, OutboxMessage, OutboxMessageKind, Outcome, RetryReason};
use order_worker::service_layer::{Health, InFlight, MessageBus};
use serde_json::{Value, json};

use crate::support::clock::TickingClock;
use crate::support::messages::{With, cancel, id, next_status, place, set_status};

#[tokio::test]
async fn the_event_of_a_placed_order_has_all_its_fields() {
    let outgoing = outgoing(&[place("14").with_id("m")]).await;

    let [event] = &outgoing[..] else { panic!("{outgoing:?}") };
    assert_eq!(
        (event.kind, &*event.routing_key),
        (OutboxMessageKind::StatusChanged, "order.status.received")
    );
    let expected = json!({
        "event_id": event.key.event_id.to_string(), "type": "OrderStatusChanged",
        "order_id": "14", "previous_status": null, "status": "Received", "version": 1,
        "changed_at": "2026-11-20T09:30:00.123456Z",
        "order_customer": { "customer_id": "2", "name": "Ada", "email": "ada@example.com" },
        "items": [{
            "product_id": "1", "name": "Bayonetta 3", "quantity": 2, "price_per_unit": "95.00"
        }],
        "total": "190.00", "caused_by": "m",
    });
    assert_eq!(body(event), expected);
}

#[tokio::test]
async fn each_change_has_its_event_with_the_status_before_and_after() {
    let shipping = set_status("14", Status::Shipping);
    let outgoing = outgoing(&[place("14"), next_status("14"), shipping]).await;

    let changes = outgoing.iter().map(|event| {
        let body = body(event);
        json!([event.routing_key, body["previous_status"], body["status"], body["version"]])
    });
    let expected = [
        json!(["order.status.received", null, "Received", 1]),
        json!(["order.status.processing", "Received", "Processing", 2]),
        json!(["order.status.shipping", "Processing", "Shipping", 3]),
    ];
    assert_eq!(changes.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn an_event_carries_the_correlation_id_and_trace_of_its_command() {
    let message = Message {
        correlation_id: Some("c".to_owned()),
        traceparent: Some("00-trace-01".to_owned()),
        ..place("14").with_id("m")
    };

    let traced = outgoing(&[message]).await.remove(0);
    let untraced = outgoing(&[place("14").with_id("m")]).await.remove(0);

    assert_eq!(traced.correlation_id.as_deref(), Some("c"));
    assert_eq!(traced.traceparent.as_deref(), Some("00-trace-01"));
    assert_eq!((untraced.correlation_id.as_deref(), untraced.traceparent), (Some("m"), None));
}

#[tokio::test]
async fn an_unchanged_status_is_accepted_without_an_event() {
    let same = set_status("14", Status::Received);

    let handled = bus().handle_batch(&[place("14"), same]).await;

    assert!(handled.outcomes.iter().all(|outcome| outcome.as_str() == "accepted"));
    assert_eq!(handled.to_publish.len(), 1);
}

#[tokio::test]
async fn the_event_of_a_rejected_command_names_the_rule() {
    let messages = [place("14"), set_status("14", Status::Completed), cancel("14").with_id("m")];

    let handled = bus().handle_batch(&messages).await;

    assert_eq!(handled.outcomes[2].as_str(), "rejected");
    let event = &handled.to_publish[2];
    assert_eq!(
        (event.kind, &*event.routing_key),
        (OutboxMessageKind::Rejected, "order.rejected.cancel")
    );
    let expected = json!({
        "event_id": event.key.event_id.to_string(), "type": "OrderCommandRejected",
        "command": "CancelOrder", "order_id": "14", "code": "OrderCannotBeCancelled",
        "detail": "an order can be cancelled only while it is Received; it is Completed",
        "status": "Completed", "rejected_at": "2026-11-20T09:30:00.123456Z", "caused_by": "m",
    });
    assert_eq!(body(event), expected);
}

#[tokio::test]
async fn a_command_for_a_missing_order_is_retried_without_a_reply() {
    let handled = bus().handle_batch(&[cancel("14").with_id("m").with_reply_to("replies")]).await;

    let order_id = id("14");
    let expected = Outcome::RetryLater(RetryReason::OrderNotFound { order_id });
    assert_eq!((handled.outcomes, handled.to_publish), (vec![expected], vec![]));
}

#[tokio::test]
async fn a_batch_sees_what_its_earlier_messages_did() {
    let handled = bus().handle_batch(&[cancel("14"), place("14"), cancel("14")]).await;

    let words: Vec<&str> = handled.outcomes.iter().map(Outcome::as_str).collect();
    assert_eq!(words, ["retry_later", "accepted", "accepted"]);
}

#[tokio::test]
async fn an_empty_batch_has_no_outcomes() {
    let handled = bus().handle_batch(&[]).await;

    assert_eq!((handled.outcomes, handled.to_publish), (vec![], vec![]));
}

fn bus() -> MessageBus {
    let store = InMemoryDatabase::new().store();
    MessageBus::new(
        Box::new(store),
        Arc::new(TickingClock::default()),
        Health::default(),
        InFlight::default(),
    )
}

async fn outgoing(messages: &[Message]) -> Vec<OutboxMessage> {
    bus().handle_batch(messages).await.to_publish
}

fn body(outgoing: &OutboxMessage) -> Value {
    serde_json::from_str(&outgoing.body).unwrap()
}
