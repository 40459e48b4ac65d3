//! Outages of the database, and messages that it rejects.

use std::sync::Arc;
use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use order_worker::messages::Outcome;
use order_worker::service_layer::{Health, InFlight, MessageBus, OrderQueries, OrderQuery, Page};
use tokio::time::{Instant, sleep, timeout};

use crate::support::clock::TickingClock;
use crate::support::messages::{With, id, next_status, place};

#[tokio::test(start_paused = true)]
async fn the_bus_waits_for_the_database_and_then_finishes() {
    let database = InMemoryDatabase::new();
    database.set_available(false);
    let started = Instant::now();

    let comes_back = async {
        sleep(Duration::from_mins(10)).await;
        database.set_available(true);
    };
    let mut bus = bus_on(&database, Health::default());
    let batch = [place("14")];
    let (handled, ()) = tokio::join!(bus.handle_batch(&batch), comes_back);

    assert_eq!(handled.outcomes[0].as_str(), "accepted");
    let waited = started.elapsed();
    assert!(waited <= Duration::from_mins(10) + Duration::from_secs(5), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_database_outage_is_visible_in_the_health() {
    let database = InMemoryDatabase::new();
    database.set_available(false);
    let health = Health::default();
    let mut bus = bus_on(&database, health.clone());

    let gave_up = timeout(Duration::from_mins(1), bus.handle_batch(&[place("14")])).await;
    assert!(gave_up.is_err());
    assert!(health.outages().database.is_some());

    database.set_available(true);
    bus.handle_batch(&[place("14")]).await;
    assert!(health.outages().none());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_for_the_database_loses_nothing() {
    let database = InMemoryDatabase::new();
    let mut bus = bus_on(&database, Health::default());
    let first = bus.handle_batch(&[place("14")]).await;
    bus.record_confirmed(first.to_publish.into_iter().map(|outgoing| outgoing.key));
    database.set_available(false);
    let message = [next_status("14").with_id("m")];
    assert!(timeout(Duration::from_mins(1), bus.handle_batch(&message)).await.is_err());

    database.set_available(true);
    let handled = bus.handle_batch(&message).await;

    assert_eq!(handled.outcomes[0].as_str(), "accepted");
    assert_eq!(handled.to_publish.len(), 1, "the published event is deleted, not returned again");
}

#[tokio::test]
async fn only_the_message_that_the_database_rejects_becomes_a_dead_letter() {
    let database = InMemoryDatabase::new();
    database.refuse_order(id("3")).await;
    let batch = ["1", "2", "3", "4", "5"].map(place);

    let handled = bus_on(&database, Health::default()).handle_batch(&batch).await;

    let words: Vec<&str> = handled.outcomes.iter().map(Outcome::as_str).collect();
    assert_eq!(words, ["accepted", "accepted", "dead_lettered", "accepted", "accepted"]);
    assert_eq!(handled.to_publish.len(), 4);
    let orders = database.queries().orders(&OrderQuery::all(), &Page::first(10)).await.unwrap();
    assert_eq!(orders.len(), 4);
}

#[tokio::test]
async fn published_messages_are_deleted_from_the_outbox_without_a_batch() {
    let database = InMemoryDatabase::new();
    let mut bus = bus_on(&database, Health::default());
    let outgoing = bus.handle_batch(&[place("14")]).await.to_publish;
    bus.record_confirmed(outgoing.into_iter().map(|outgoing| outgoing.key));

    bus.remove_published().await;

    assert!(!bus.has_published());
    let outgoing = bus.handle_batch(&[next_status("14")]).await.to_publish;
    assert_eq!(outgoing.len(), 1, "no earlier event is left");
}

#[tokio::test]
async fn published_messages_are_remembered_while_the_database_is_unavailable() {
    let database = InMemoryDatabase::new();
    let mut bus = bus_on(&database, Health::default());
    let outgoing = bus.handle_batch(&[place("14")]).await.to_publish;
    bus.record_confirmed(outgoing.into_iter().map(|outgoing| outgoing.key));
    database.set_available(false);

    bus.remove_published().await;

    assert!(bus.has_published());
}

fn bus_on(database: &InMemoryDatabase, health: Health) -> MessageBus {
    MessageBus::new(
        Box::new(database.store()),
        Arc::new(TickingClock::default()),
        health,
        InFlight::default(),
    )
}
