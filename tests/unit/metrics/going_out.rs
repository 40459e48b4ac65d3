//! What goes out.

use std::sync::Arc;

use order_worker::service_layer::{InFlight, MessageBus, Relay};
use serde_json::json;
use tokio::time::Instant;

use super::line::{Line, cancel, command, place};
use super::scrape;
use crate::support::clock::TickingClock;
use crate::support::messages;

const PUBLISHED: &str = "order_worker_events_published_total";
const UNROUTABLE: &str = "order_worker_events_unroutable_total";

#[tokio::test]
async fn events_are_counted_by_their_type() {
    let line = Line::new();
    let _subscription = line.broker.subscribe();

    let seen = line.handles(&[place("1"), cancel("1"), cancel("1")]).await;

    assert_eq!(seen.value(PUBLISHED, &[("type", "OrderStatusChanged")]), Some(2.0));
    assert_eq!(seen.value(PUBLISHED, &[("type", "OrderCommandRejected")]), Some(1.0));
    assert_eq!(seen.sum(UNROUTABLE, &[]), 0.0);
}

#[tokio::test]
async fn an_event_without_a_subscriber_and_an_answer_without_a_reader_are_unroutable() {
    let mut asked = place("1");
    asked.properties.reply_to = Some("nobody's".to_owned());

    let seen = Line::new().handles(&[asked]).await;

    assert_eq!(seen.value(UNROUTABLE, &[("type", "OrderStatusChanged")]), Some(1.0));
    assert_eq!(seen.value(UNROUTABLE, &[("type", "CommandOutcome")]), Some(1.0));
    assert_eq!(seen.sum(PUBLISHED, &[]), 0.0);
}

#[tokio::test]
async fn dead_letters_are_counted_by_code_once_they_are_confirmed() {
    let line = Line::new();
    let incomplete = command("PlaceOrder", &json!({}));

    let seen = line.handles(&[incomplete, cancel("1")]).await;

    let count = |code| seen.value("order_worker_dead_letters_total", &[("code", code)]);
    assert_eq!(count("missing_field"), Some(1.0));
    assert_eq!(count("order_not_found"), Some(1.0));
    assert_eq!(line.broker.dead_letters().len(), 2);
}

#[tokio::test]
async fn the_wait_for_confirms_is_measured_for_batches_that_leave_something() {
    let line = Line::new();
    let _subscription = line.broker.subscribe();

    line.handles(&[place("1")]).await;
    let seen = line.handles(&[place("1")]).await;

    assert_eq!(seen.value("order_worker_confirm_duration_seconds_count", &[]), Some(1.0));
}

#[tokio::test]
async fn what_the_relay_publishes_is_counted_as_its_own() {
    let line = Line::new();
    let _subscription = line.broker.subscribe();
    let (store, clock) = (line.database.store(), Arc::new(TickingClock::default()));
    let mut crashed =
        MessageBus::new(Box::new(store), clock, line.health.clone(), InFlight::default());
    crashed.handle_batch(&[messages::place("1"), messages::place("2")]).await;

    let (relay_store, publisher) = (line.database.relay(), line.broker.publisher());
    let mut relay = Relay::new(
        Box::new(relay_store),
        Box::new(publisher),
        line.health.clone(),
        InFlight::default(),
        false,
    );
    relay.publish_waiting(Instant::now()).await.unwrap();

    let seen = scrape(line.metrics());
    assert_eq!(seen.value("order_worker_events_relayed_total", &[]), Some(2.0));
    assert_eq!(seen.value(PUBLISHED, &[("type", "OrderStatusChanged")]), Some(2.0));
}
