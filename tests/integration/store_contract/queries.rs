//! Questions about orders.

use std::sync::Arc;

use order_worker::domain::{MessageId, Status};
use order_worker::service_layer::{Message, OrderQueries, OrderQuery};

use super::{TestDatabase, bus_with_clock, find, order};
use crate::builders::WithContent;
use crate::support::clock::TickingClock;
use crate::support::messages::{cancel, place, set_status};

pub async fn orders_of_a_customer_come_by_status_then_newest_first<D: TestDatabase>(database: &D) {
    stock(database).await;

    let query = OrderQuery::OfCustomer(OrderQuery::customer("Ada").unwrap());

    assert_eq!(ids(database, &query).await, ["5", "1", "2", "3", "4"]);
}

pub async fn incomplete_orders_leave_out_the_completed<D: TestDatabase>(database: &D) {
    stock(database).await;

    let query = OrderQuery::IncompleteOf(OrderQuery::customer("Ada").unwrap());

    assert_eq!(ids(database, &query).await, ["5", "1", "2", "4"]);
}

pub async fn completed_orders_are_just_the_completed<D: TestDatabase>(database: &D) {
    stock(database).await;

    let of_ada = OrderQuery::CompletedOf(OrderQuery::customer("Ada").unwrap());
    let of_bob = OrderQuery::CompletedOf(OrderQuery::customer("Bob").unwrap());

    assert_eq!(ids(database, &of_ada).await, ["3"]);
    assert_eq!(ids(database, &of_bob).await, [""; 0]);
}

pub async fn orders_in_a_status_come_newest_first<D: TestDatabase>(database: &D) {
    stock(database).await;

    let received = OrderQuery::in_status("received").unwrap();
    let paid = OrderQuery::in_status("payment complete").unwrap();

    assert_eq!(ids(database, &received).await, ["6", "5", "1"]);
    assert_eq!(ids(database, &paid).await, [""; 0]);
}

pub async fn a_period_includes_both_its_ends<D: TestDatabase>(database: &D) {
    stock(database).await;
    let start = order(database, "2").await.created_at();
    let end = order(database, "4").await.created_at();

    let query = OrderQuery::CreatedBetween { start, end };

    assert_eq!(ids(database, &query).await, ["4", "3", "2"]);
    let today = OrderQuery::created_between("2026-11-20", "2026-11-20").unwrap();
    assert_eq!(ids(database, &today).await.len(), 6);
}

pub async fn a_period_without_orders_is_empty<D: TestDatabase>(database: &D) {
    stock(database).await;

    let before = OrderQuery::created_between("2026-11-01", "2026-11-19").unwrap();

    assert_eq!(ids(database, &before).await, [""; 0]);
}

pub async fn a_limit_keeps_the_newest<D: TestDatabase>(database: &D) {
    stock(database).await;

    let newest = database.queries().orders(&OrderQuery::All, 2).await.unwrap();

    let ids: Vec<&str> = newest.iter().map(|order| order.order_id().as_str()).collect();
    assert_eq!(ids, ["6", "5"]);
}

pub async fn orders_of_one_moment_come_by_order_id<D: TestDatabase>(database: &D) {
    handle_each(database, [&[place("b"), place("B"), place("10"), place("9"), place("a")][..]])
        .await;

    assert_eq!(ids(database, &OrderQuery::All).await, ["10", "9", "B", "a", "b"]);
}

pub async fn what_is_not_there_is_not_found<D: TestDatabase>(database: &D) {
    stock(database).await;

    let nobody = OrderQuery::OfCustomer(OrderQuery::customer("' or 1=1 --").unwrap());
    let message = database.queries().message(&MessageId::new("unknown").unwrap()).await;

    assert_eq!(ids(database, &nobody).await, [""; 0]);
    assert_eq!(find(database, "unknown").await, None);
    assert_eq!(message.unwrap(), None);
}

/// Places orders 1 to 5 for Ada and 6 for Bob, one second apart, and moves some of them on.
async fn stock<D: TestDatabase>(database: &D) {
    let placed = ["1", "2", "3", "4", "5"].map(|order_id| place(order_id).of_customer("Ada"));
    let moved =
        [set_status("2", Status::Shipping), set_status("3", Status::Completed), cancel("4")];
    let bobs = [place("6").of_customer("Bob")];
    let messages = [&placed[..], &bobs, &moved].concat();
    handle_each(database, messages.chunks(1)).await;
}

/// Handles the batches one after another, each a second later.
async fn handle_each<'a, D: TestDatabase>(
    database: &D,
    batches: impl IntoIterator<Item = &'a [Message]>,
) {
    let mut bus = bus_with_clock(database, Arc::new(TickingClock::default()));
    for batch in batches {
        bus.handle_batch(batch).await;
    }
}

async fn ids<D: TestDatabase>(database: &D, query: &OrderQuery) -> Vec<String> {
    let orders = database.queries().orders(query, 100).await.unwrap();
    orders.iter().map(|order| order.order_id().to_string()).collect()
}
