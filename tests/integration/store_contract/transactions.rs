//! A batch is committed as a whole or not at all.

use std::sync::Arc;

use order_worker::domain::{Order, Status};
use order_worker::messages::{Message, Outcome};
use order_worker::service_layer::{
    BatchLookup, OrderQueries, OrderQuery, Page, Store, StoreError, UnitOfWork,
};

use super::{TestDatabase, bus_on, bus_with_clock, dead_letter_code, find, order, outcomes, words};
use crate::builders::WithContent;
use crate::support::clock::{TickingClock, moment};
use crate::support::messages::{With, id, next_status, place, place_without_id, some_order};

/// When to drop a future: after how many yields to other tasks.
const YIELDS: [usize; 12] = [0, 1, 2, 3, 5, 10, 30, 100, 300, 1_000, 3_000, 10_000];

pub async fn a_commit_is_visible_to_others<D: TestDatabase>(database: &D) {
    let outcomes = outcomes(database, &[place("14"), next_status("14")]).await;

    assert_eq!(words(&outcomes), ["accepted", "accepted"]);
    let order = order(database, "14").await;
    assert_eq!((order.status(), order.version()), (Status::Processing, 2));
}

pub async fn a_dropped_unit_of_work_leaves_nothing<D: TestDatabase>(database: &D) {
    let mut store = database.store();
    let needs = BatchLookup::of(&[place("14")]);
    let mut uow = UnitOfWork::begin(&mut store, &needs).await.unwrap();
    uow.orders.add(Order::place(id("14"), some_order(), moment("2026-11-20T09:30:00Z")).0);

    drop(uow);

    assert_eq!(find(database, "14").await, None);
    let (loaded, _transaction) = store.begin(&needs).await.unwrap();
    assert_eq!(loaded.orders, []);
}

pub async fn a_dropped_begin_leaves_the_next_transaction_clean<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14")]).await;
    let needs = BatchLookup::of(&[next_status("14"), place_without_id()]);
    let mut store = database.store();

    for yields in YIELDS {
        tokio::select! {
            biased;
            begun = store.begin(&needs) => drop(begun.unwrap()),
            () = yield_times(yields) => {}
        }

        let (loaded, transaction) = store.begin(&needs).await.unwrap();
        assert_eq!((loaded.orders.len(), loaded.numbers.len()), (1, 1));
        transaction.rollback().await.unwrap();
    }
}

pub async fn a_batch_dropped_midway_takes_effect_once<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14")]).await;
    let message = next_status("14").with_id("m");
    let mut bus = bus_on(database);

    for yields in YIELDS {
        tokio::select! {
            biased;
            _ = bus.handle_batch(std::slice::from_ref(&message)) => {}
            () = yield_times(yields) => {}
        }
    }
    bus.handle_batch(&[message]).await;

    assert_eq!(order(database, "14").await.version(), 2);
}

pub async fn a_dry_run_changes_nothing<D: TestDatabase>(database: &D) {
    let mut bus = bus_on(database);

    let outcomes = bus.dry_run(&[place("14").with_id("m"), next_status("14")]).await.unwrap();

    assert_eq!(words(&outcomes), ["accepted", "accepted"]);
    assert_eq!(find(database, "14").await, None);
    assert_eq!(words(&bus.handle_batch(&[place("14").with_id("m")]).await.outcomes), ["accepted"]);
}

pub async fn two_units_of_work_on_one_order_both_take_effect<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14")]).await;
    let clock = Arc::new(TickingClock::default());
    let mut one_bus = bus_with_clock(database, clock.clone());
    let mut other_bus = bus_with_clock(database, clock);

    let (one, other) = ([next_status("14").with_id("m1")], [next_status("14").with_id("m2")]);
    tokio::join!(one_bus.handle_batch(&one), other_bus.handle_batch(&other));

    let found = find(database, "14").await.unwrap();
    assert_eq!(found.order.status(), Status::PaymentComplete);
    let versions: Vec<i32> = found.history.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [1, 2, 3]);
}

pub async fn one_poison_message_among_many_is_the_only_one_that_fails<D: TestDatabase>(
    database: &D,
) {
    database.poison("order 113").await;
    let messages: Vec<Message> = (0..200).map(|number| place(&format!("order {number}"))).collect();

    let outcomes = outcomes(database, &messages).await;

    for (number, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Accepted(_) => assert_ne!(number, 113),
            other => assert_eq!((number, dead_letter_code(other)), (113, "internal_error")),
        }
    }
    let orders = database.queries().orders(&OrderQuery::all(), &Page::first(1_000)).await.unwrap();
    assert_eq!((outcomes.len(), orders.len()), (200, 199));
}

pub async fn a_large_batch_commits_whole<D: TestDatabase>(database: &D) {
    let placed = (0..1_000).map(|number| place(&format!("order {number}")));
    let moved = (0..1_000).map(|number| next_status(&format!("order {number}")));

    outcomes(database, &placed.collect::<Vec<_>>()).await;
    outcomes(database, &moved.collect::<Vec<_>>()).await;

    let processing = OrderQuery::in_status(Status::Processing);
    assert_eq!(
        database.queries().orders(&processing, &Page::first(2_000)).await.unwrap().len(),
        1_000
    );
}

pub async fn orders_with_too_many_items_are_not_loaded_together<D: TestDatabase>(database: &D) {
    let order_ids: Vec<String> = (0..41).map(|number| format!("order {number}")).collect();
    let placed: Vec<Message> =
        order_ids.iter().map(|order_id| place(order_id).with_items(1..=500)).collect();
    outcomes(database, &placed).await;
    let moved: Vec<Message> = order_ids.iter().map(|order_id| next_status(order_id)).collect();
    let mut store = database.store();

    let too_many = store.begin(&BatchLookup::of(&moved)).await.map(drop);
    let as_many_as_can_be = store.begin(&BatchLookup::of(&moved[..40])).await.map(drop);

    assert!(matches!(too_many, Err(StoreError::TooLarge)), "{too_many:?}");
    assert!(as_many_as_can_be.is_ok(), "{as_many_as_can_be:?}");
    let handled = bus_on(database).handle_batch(&moved).await;
    assert_eq!((words(&handled.outcomes), handled.commits.len()), (vec!["accepted"; 41], 2));
}

async fn yield_times(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}
