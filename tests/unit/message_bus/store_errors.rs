//! Store errors that are not the fault of a message: locks, lost sessions, conflicts, too many items.

#![expect(clippy::float_cmp, reason = "counts are whole numbers, which a float holds exactly")]

use std::sync::Arc;
use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use order_worker::domain::{Command, Item, Status};
use order_worker::messages::{BatchResult, Message, Outcome};
use order_worker::service_layer::{BatchLookup, Health, InFlight, MessageBus, StoreError};
use tokio::time::{Instant, advance};

use crate::failing_store::FailingStore;
use crate::support::clock::TickingClock;
use crate::support::messages::{id, next_status, place, set_status};

#[tokio::test(start_paused = true)]
async fn messages_of_a_locked_order_are_left_out_and_all_others_commit() {
    let database = with_orders(&["1", "2", "3"]).await;
    let locked = |needs: &BatchLookup| names("2", needs).then(|| StoreError::Locked(vec![id("2")]));
    let batch = ["1", "2", "3", "2", "1"].map(next_status);

    let handled = handle(FailingStore::new(&database, locked), &batch).await;

    assert_eq!(handled.locked, [1, 3]);
    assert_eq!(words(&handled), ["accepted"; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_unnamed_locked_order_is_found_by_splitting_the_batch() {
    let database = with_orders(&["1", "2", "3", "4", "5"]).await;
    let locked = |needs: &BatchLookup| names("4", needs).then(|| StoreError::Locked(Vec::new()));
    let batch = ["1", "2", "3", "4", "5", "4"].map(next_status);

    let handled = handle(FailingStore::new(&database, locked), &batch).await;

    assert_eq!(handled.locked, [3, 5]);
    assert_eq!(words(&handled), ["accepted"; 4]);
}

#[tokio::test(start_paused = true)]
async fn later_messages_of_a_locked_order_wait_even_if_the_lock_is_released_meanwhile() {
    let database = with_orders(&["1", "2"]).await;
    let mut later = [None, Some(StoreError::Locked(vec![id("2")]))].into_iter();
    // Too many items; then the first half succeeds and the second one meets a lock; then no lock.
    let mut first = Some(StoreError::TooLarge);
    let error_for = move |_: &BatchLookup| first.take().or_else(|| later.next().flatten());
    let batch = ["1", "1", "2", "2"].map(next_status);

    let handled = handle(FailingStore::new(&database, error_for), &batch).await;

    assert_eq!(handled.locked, [2, 3]);
    assert_eq!(words(&handled), ["accepted"; 2]);
}

#[tokio::test(start_paused = true)]
async fn after_a_locked_order_the_next_batches_skip_locked_rows() {
    let database = with_orders(&["1"]).await;
    let store = FailingStore::with_errors(&database, [StoreError::Locked(vec![id("1")])]);
    let mut bus = bus_on(store.clone());

    bus.handle_batch(&[next_status("1")]).await;
    bus.handle_batch(&[next_status("1")]).await;
    advance(Duration::from_secs(4)).await;
    bus.handle_batch(&[next_status("1")]).await;

    let waited: Vec<bool> = store.lookups().iter().map(|it| !it.skip_locked).collect();
    assert_eq!(waited, [true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_replaced_without_a_pause() {
    let database = InMemoryDatabase::new();
    let (health, began) = (Health::default(), Instant::now());
    let store = FailingStore::with_errors(&database, [lost()]);

    let handled = bus_with(store, health.clone()).handle_batch(&[place("1")]).await;

    assert_eq!(words(&handled), ["accepted"]);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(pauses(&health), 0.0);
}

#[tokio::test(start_paused = true)]
async fn repeatedly_lost_sessions_cause_a_pause() {
    let database = InMemoryDatabase::new();
    let (health, began) = (Health::default(), Instant::now());
    let store = FailingStore::with_errors(&database, [lost(), lost(), lost()]);

    let handled = bus_with(store, health.clone()).handle_batch(&[place("1")]).await;

    assert_eq!(words(&handled), ["accepted"]);
    assert!(began.elapsed() > Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(pauses(&health), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_to_load_is_split() {
    let database = with_orders(&["1", "2", "3", "4", "5"]).await;
    let too_large =
        |needs: &BatchLookup| (needs.order_ids.len() > 2).then_some(StoreError::TooLarge);
    let batch = ["1", "2", "3", "4", "5"].map(next_status);

    let handled = handle(FailingStore::new(&database, too_large), &batch).await;

    assert_eq!(words(&handled), ["accepted"; 5]);
    assert_eq!(handled.commits.len(), 3);
}

#[tokio::test]
async fn commands_for_one_large_order_are_split_by_their_items() {
    let database = InMemoryDatabase::new();
    let mut bus = bus_on(FailingStore::new(&database, |_| None));
    bus.handle_batch(&[with_500_items(place("1"))]).await;
    let statuses = [Status::Shipping, Status::Processing].into_iter().cycle();
    let batch: Vec<Message> = statuses.take(100).map(|status| set_status("1", status)).collect();

    let handled = bus.handle_batch(&batch).await;

    assert_eq!(words(&handled), ["accepted"; 100]);
    assert_eq!(handled.commits.len(), 4, "of 25 commands with 500 items each");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_keeps_failing_in_the_database_waits_alone() {
    let database = with_orders(&["1", "2", "3", "4", "5"]).await;
    let fails = |needs: &BatchLookup| names("1", needs).then(failed);
    let mut bus = bus_on(FailingStore::new(&database, fails));
    let batch = ["1", "2", "3", "4", "5", "1"].map(next_status);

    let handled = bus.handle_batch(&batch).await;

    assert_eq!(handled.locked, [0, 5], "later messages of its order wait behind it");
    assert_eq!(words(&handled), ["accepted"; 4]);
    let began = Instant::now();
    let again = bus.handle_batch(&batch).await;
    assert_eq!((words(&again), again.locked), (vec!["accepted"; 4], vec![0, 5]));
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_database_that_fails_at_every_message_is_retried_with_pauses() {
    let database = with_orders(&["1", "2", "3", "4", "5"]).await;
    let store = FailingStore::new(&database, |_| Some(failed()));
    let mut bus = bus_on(store.clone());
    let (batch, began) = (["1", "2", "3", "4", "5"].map(next_status), Instant::now());

    let handled = bus.handle_batch(&batch).await;
    let again = bus.handle_batch(&batch).await;

    assert_eq!((handled.locked, again.locked), (vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4]));
    let (lookups, seconds) = (store.lookups().len(), began.elapsed().as_secs());
    assert!(lookups < 30 && seconds > 5, "{lookups} lookups in {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_message_with_endless_conflicts_waits_alone() {
    let database = with_orders(&["1", "2", "3", "4", "5"]).await;
    let conflicts =
        |needs: &BatchLookup| names("4", needs).then(|| StoreError::Conflict("again".to_owned()));
    let batch = ["1", "2", "3", "4", "5", "4"].map(next_status);

    let handled = handle(FailingStore::new(&database, conflicts), &batch).await;

    assert_eq!(handled.locked, [3, 5]);
    assert_eq!(words(&handled), ["accepted"; 4]);
}

fn failed() -> StoreError {
    StoreError::Failed("row-level security".to_owned())
}

fn with_500_items(mut message: Message) -> Message {
    let Command::PlaceOrder(place) = &mut message.command else { panic!("not a PlaceOrder") };
    let item: Item = place.items.iter().next().unwrap().clone();
    place.items = vec![item; 500].try_into().unwrap();
    message
}

/// How often the worker paused for the database.
fn pauses(health: &Health) -> f64 {
    let seen = crate::metrics::scrape(health.metrics());
    seen.value("order_worker_pauses_total", &[("reason", "database")]).unwrap()
}

fn lost() -> StoreError {
    StoreError::SessionLost("cached plan must not change result type".to_owned())
}

fn names(order_id: &str, needs: &BatchLookup) -> bool {
    needs.order_ids.contains(&id(order_id))
}

fn words(handled: &BatchResult) -> Vec<&'static str> {
    handled.outcomes.iter().map(Outcome::as_str).collect()
}

async fn with_orders(order_ids: &[&str]) -> InMemoryDatabase {
    let database = InMemoryDatabase::new();
    let orders: Vec<Message> = order_ids.iter().map(|order_id| place(order_id)).collect();
    let placed = bus_on(FailingStore::new(&database, |_| None)).handle_batch(&orders).await;
    assert_eq!(placed.outcomes.len(), order_ids.len());
    database
}

async fn handle(store: FailingStore, batch: &[Message]) -> BatchResult {
    bus_on(store).handle_batch(batch).await
}

fn bus_on(store: FailingStore) -> MessageBus {
    bus_with(store, Health::default())
}

fn bus_with(store: FailingStore, health: Health) -> MessageBus {
    MessageBus::new(Box::new(store), Arc::new(TickingClock::default()), health, InFlight::default())
}
