//! The rules of an order.

mod advancing;
mod cancelling;
mod setting;

use chrono::{DateTime, TimeDelta, Utc};
use order_worker::domain::{Order, PlaceOrder, Status, StatusChange};

use crate::support::clock::moment;
use crate::support::messages::{id, money, some_order};

#[test]
fn a_new_order_is_received_with_version_1() {
    let (order, change) = Order::place(id("14"), some_order(), start());

    assert_eq!((order.status(), order.version()), (Status::Received, 1));
    assert_eq!((order.created_at(), order.last_updated()), (start(), start()));
    let placed = StatusChange { previous: None, status: Status::Received, version: 1, at: start() };
    assert_eq!(change, placed);
}

#[test]
fn the_total_is_kept_as_given() {
    let discounted = PlaceOrder { total: money("150.00"), ..some_order() };
    assert_eq!(discounted.items.sum().unwrap(), money("190.00"));

    let (order, _) = Order::place(id("14"), discounted, start());

    assert_eq!(order.total(), money("150.00"));
}

#[test]
fn the_version_counts_each_change() {
    let mut order = order_in(Status::Received);

    let first = order.advance(None, later()).unwrap();
    order.set_status(Status::Processing, later()).unwrap();
    let second = order.set_status(Status::Received, later()).unwrap().unwrap();
    let third = order.cancel(later()).unwrap();

    assert_eq!([first.version, second.version, third.version], [2, 3, 4]);
}

#[test]
fn history_does_not_run_backwards_with_the_clock() {
    let mut order = order_in(Status::Received);
    order.advance(None, later()).unwrap();

    let change = order.advance(None, start() - TimeDelta::hours(1)).unwrap();

    assert_eq!((change.at, order.last_updated()), (later(), later()));
    assert_eq!(order.created_at(), start());
}

pub fn start() -> DateTime<Utc> {
    moment("2026-11-20T09:30:00Z")
}

pub fn later() -> DateTime<Utc> {
    moment("2026-11-20T10:30:00Z")
}

/// An order whose status was set once.
pub fn order_in(status: Status) -> Order {
    let (mut order, _) = Order::place(id("14"), some_order(), start());
    order.set_status(status, start()).unwrap();
    order
}
