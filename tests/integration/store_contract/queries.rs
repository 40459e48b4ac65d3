//! The read side.

use std::sync::Arc;

use order_worker::domain::{CustomerId, MessageId, Status};
use order_worker::messages::Message;
use order_worker::service_layer::{OrderQueries, OrderQuery, Page};

use super::{TestDatabase, bus_with_clock, find, order};
use crate::builders::WithContent;
use crate::support::clock::{TickingClock, moment};
use crate::support::messages::{cancel, place, set_status};

pub async fn orders_of_a_customer_come_by_status_then_newest_first<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;

    let query = OrderQuery::of_customer(customer("Ada"));

    assert_eq!(ids(database, &query).await, ["5", "1", "2", "3", "4"]);
}

pub async fn incomplete_orders_leave_out_the_completed<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;

    let query = OrderQuery::incomplete_of(customer("Ada"));

    assert_eq!(ids(database, &query).await, ["5", "1", "2", "4"]);
}

pub async fn completed_orders_are_only_the_completed<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;

    let of_ada = OrderQuery::completed_of(customer("Ada"));
    let of_bob = OrderQuery::completed_of(customer("Bob"));

    assert_eq!(ids(database, &of_ada).await, ["3"]);
    assert_eq!(ids(database, &of_bob).await, [""; 0]);
}

pub async fn orders_in_a_status_come_newest_first<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;

    let received = OrderQuery::in_status(Status::Received);
    let paid = OrderQuery::in_status(Status::PaymentComplete);

    assert_eq!(ids(database, &received).await, ["6", "5", "1"]);
    assert_eq!(ids(database, &paid).await, [""; 0]);
}

pub async fn a_period_includes_both_its_ends<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;
    let start = order(database, "2").await.created_at();
    let end = order(database, "4").await.created_at();

    let query = OrderQuery::created_between(start, end);

    assert_eq!(ids(database, &query).await, ["4", "3", "2"]);
    let since = OrderQuery { from: Some(end), ..OrderQuery::all() };
    let up_to = OrderQuery { until: Some(start), ..OrderQuery::all() };
    assert_eq!(ids(database, &since).await, ["6", "5", "4"]);
    assert_eq!(ids(database, &up_to).await, ["2", "1"]);
}

pub async fn a_period_without_orders_is_empty<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;

    let yesterday = moment("2026-11-19T23:59:59.999999Z");
    let before = OrderQuery { until: Some(yesterday), ..OrderQuery::all() };

    assert_eq!(ids(database, &before).await, [""; 0]);
}

pub async fn filters_combine<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;
    let from = Some(order(database, "2").await.created_at());
    let until = Some(order(database, "5").await.created_at());

    let incomplete = OrderQuery { from, until, ..OrderQuery::incomplete_of(customer("Ada")) };
    let received = OrderQuery { from, ..OrderQuery::in_status(Status::Received) };
    let of_bob = OrderQuery { until, ..OrderQuery::of_customer(customer("Bob")) };
    let all_but_completed = OrderQuery { customer_id: None, ..incomplete.clone() };

    assert_eq!(ids(database, &incomplete).await, ["5", "2", "4"]);
    assert_eq!(ids(database, &received).await, ["6", "5"]);
    assert_eq!(ids(database, &of_bob).await, [""; 0]);
    assert_eq!(ids(database, &all_but_completed).await, ["5", "4", "2"]);
}

pub async fn orders_placed_at_the_same_time_are_sorted_by_order_id<D: TestDatabase>(database: &D) {
    handle_each(database, [&[place("b"), place("B"), place("10"), place("9"), place("a")][..]])
        .await;

    assert_eq!(ids(database, &OrderQuery::all()).await, ["10", "9", "B", "a", "b"]);
}

pub async fn unknown_ids_and_customers_find_nothing<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;

    let unknown = OrderQuery::of_customer(customer("' or 1=1 --"));
    let message = database.queries().message(&MessageId::new("unknown").unwrap()).await;

    assert_eq!(ids(database, &unknown).await, [""; 0]);
    assert_eq!(find(database, "unknown").await, None);
    assert_eq!(message.unwrap(), None);
}

/// Places orders 1 to 5 for Ada and 6 for Bob, one second apart, and moves some of them on.
pub async fn place_sample_orders<D: TestDatabase>(database: &D) {
    let placed = ["1", "2", "3", "4", "5"].map(|order_id| place(order_id).of_customer("Ada"));
    let moved =
        [set_status("2", Status::Shipping), set_status("3", Status::Completed), cancel("4")];
    let bobs = [place("6").of_customer("Bob")];
    let messages = [&placed[..], &bobs, &moved].concat();
    handle_each(database, messages.chunks(1)).await;
}

/// Handles the batches one after another, each a second later.
pub async fn handle_each<'a, D: TestDatabase>(
    database: &D,
    batches: impl IntoIterator<Item = &'a [Message]>,
) {
    let mut bus = bus_with_clock(database, Arc::new(TickingClock::default()));
    for batch in batches {
        bus.handle_batch(batch).await;
    }
}

pub fn customer(customer_id: &str) -> CustomerId {
    CustomerId::new(customer_id).unwrap()
}

async fn ids<D: TestDatabase>(database: &D, query: &OrderQuery) -> Vec<String> {
    let orders = database.queries().orders(query, &Page::first(100)).await.unwrap();
    orders.iter().map(|order| order.order_id().to_string()).collect()
}
