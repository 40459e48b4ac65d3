//! Metrics of publishing.

use std::sync::Arc;

use order_worker::service_layer::{InFlight, MessageBus, Relay};
use serde_json::json;
use tokio::time::Instant;

use super::pipeline::{Pipeline, cancel, command, place};
use super::scrape;
use crate::support::clock::TickingClock;
use crate::support::messages;

const PUBLISHED: &str = "order_worker_events_published_total";
const UNROUTABLE: &str = "order_worker_events_unroutable_total";

#[tokio::test]
async fn events_are_counted_by_their_type() {
    let pipeline = Pipeline::new();
    let _subscription = pipeline.broker.subscribe();

    let seen = pipeline.process(&[place("1"), cancel("1"), cancel("1")]).await;

    assert_eq!(seen.value(PUBLISHED, &[("type", "OrderStatusChanged")]), Some(2.0));
    assert_eq!(seen.value(PUBLISHED, &[("type", "OrderCommandRejected")]), Some(1.0));
    assert_eq!(seen.sum(UNROUTABLE, &[]), 0.0);
}

#[tokio::test]
async fn events_and_replies_without_a_queue_are_counted_as_unroutable() {
    let mut with_reply_to = place("1");
    with_reply_to.properties.reply_to = Some("no-such-queue".to_owned());

    let seen = Pipeline::new().process(&[with_reply_to]).await;

    assert_eq!(seen.value(UNROUTABLE, &[("type", "OrderStatusChanged")]), Some(1.0));
    assert_eq!(seen.value(UNROUTABLE, &[("type", "CommandOutcome")]), Some(1.0));
    assert_eq!(seen.sum(PUBLISHED, &[]), 0.0);
}

#[tokio::test]
async fn dead_letters_are_counted_by_code_once_they_are_confirmed() {
    let pipeline = Pipeline::new();
    let incomplete = command("PlaceOrder", &json!({}));

    let seen = pipeline.process(&[incomplete, cancel("1")]).await;

    let count = |code| seen.value("order_worker_dead_letters_total", &[("code", code)]);
    assert_eq!(count("missing_field"), Some(1.0));
    assert_eq!(count("order_not_found"), Some(1.0));
    assert_eq!(pipeline.broker.dead_letters().len(), 2);
}

#[tokio::test]
async fn the_confirm_duration_is_measured_for_batches_with_events() {
    let pipeline = Pipeline::new();
    let _subscription = pipeline.broker.subscribe();

    pipeline.process(&[place("1")]).await;
    let seen = pipeline.process(&[place("1")]).await;

    assert_eq!(seen.value("order_worker_confirm_duration_seconds_count", &[]), Some(1.0));
}

#[tokio::test]
async fn events_published_by_the_relay_are_counted_separately() {
    let pipeline = Pipeline::new();
    let _subscription = pipeline.broker.subscribe();
    let (store, clock) = (pipeline.database.store(), Arc::new(TickingClock::default()));
    let mut crashed =
        MessageBus::new(Box::new(store), clock, pipeline.health.clone(), InFlight::default());
    crashed.handle_batch(&[messages::place("1"), messages::place("2")]).await;

    let (relay_store, publisher) = (pipeline.database.relay(), pipeline.broker.publisher());
    let mut relay = Relay::new(
        Box::new(relay_store),
        Box::new(publisher),
        pipeline.health.clone(),
        InFlight::default(),
        false,
    );
    relay.publish_waiting(Instant::now()).await.unwrap();

    let seen = scrape(pipeline.metrics());
    assert_eq!(seen.value("order_worker_events_relayed_total", &[]), Some(2.0));
    assert_eq!(seen.value(PUBLISHED, &[("type", "OrderStatusChanged")]), Some(2.0));
}
