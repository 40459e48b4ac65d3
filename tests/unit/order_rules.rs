//! What may be done to an order.

use chrono::{DateTime, TimeDelta, Utc};
use order_worker::domain::{Change, Order, PlaceOrder, Refusal, Status};

use crate::support::clock::moment;
use crate::support::messages::{id, money, some_order};

#[test]
fn a_new_order_is_received_with_version_1() {
    let (order, change) = Order::place(id("14"), some_order(), start());

    assert_eq!((order.status(), order.version()), (Status::Received, 1));
    assert_eq!(
        (order.created_at(), order.last_updated()),
        (start(), start())
    );
    let placed = Change {
        previous: None,
        status: Status::Received,
        version: 1,
        at: start(),
    };
    assert_eq!(change, placed);
}

#[test]
fn the_total_is_kept_as_given() {
    let discounted = PlaceOrder {
        total: money("150.00"),
        ..some_order()
    };
    assert_eq!(discounted.items.sum().unwrap(), money("190.00"));

    let (order, _) = Order::place(id("14"), discounted, start());

    assert_eq!(order.total(), money("150.00"));
}

#[test]
fn a_received_order_can_be_cancelled() {
    let mut order = order_in(Status::Received);

    let change = order.cancel(later()).unwrap();

    assert_eq!(
        (order.status(), order.version()),
        (Status::Cancelled, change.version)
    );
    assert_eq!(
        (change.previous, change.at),
        (Some(Status::Received), later())
    );
}

#[test]
fn an_order_in_progress_cannot_be_cancelled() {
    for status in [
        Status::Processing,
        Status::PaymentComplete,
        Status::Shipping,
    ] {
        let refusal = order_in(status).cancel(later()).unwrap_err();

        assert_eq!(refusal, Refusal::CannotBeCancelled { status });
    }
}

#[test]
fn a_completed_order_cannot_be_cancelled() {
    let mut order = order_in(Status::Completed);

    let refusal = order.cancel(later()).unwrap_err();

    assert_eq!(refusal.code(), "OrderCannotBeCancelled");
    assert_eq!(order, order_in(Status::Completed));
}

#[test]
fn a_cancelled_order_cannot_be_cancelled_again() {
    let mut order = order_in(Status::Cancelled);

    let refusal = order.cancel(later()).unwrap_err();

    assert_eq!(refusal.code(), "OrderAlreadyCancelled");
    assert_eq!(order, order_in(Status::Cancelled));
}

#[test]
fn the_next_status_after_received_is_processing() {
    let mut order = order_in(Status::Received);

    let change = order.advance(None, later()).unwrap();

    assert_eq!(
        (change.previous, change.status),
        (Some(Status::Received), Status::Processing)
    );
    assert_eq!(
        (order.status(), order.last_updated()),
        (Status::Processing, later())
    );
}

#[test]
fn four_steps_lead_from_received_to_completed() {
    let mut order = order_in(Status::Received);

    let steps = [(); 4].map(|()| order.advance(None, later()).unwrap().status);

    assert_eq!(steps, Status::ALL[1..5]);
    assert_eq!(order.version(), 5);
}

#[test]
fn there_is_no_next_status_after_completed() {
    let refusal = order_in(Status::Completed)
        .advance(None, later())
        .unwrap_err();

    assert_eq!(refusal.code(), "OrderAlreadyCompleted");
}

#[test]
fn there_is_no_next_status_after_cancelled() {
    let refusal = order_in(Status::Cancelled)
        .advance(None, later())
        .unwrap_err();

    assert_eq!(refusal.code(), "OrderAlreadyCancelled");
}

#[test]
fn an_order_moves_on_from_the_status_that_was_named() {
    let mut order = order_in(Status::Processing);

    let change = order.advance(Some(Status::Processing), later()).unwrap();

    assert_eq!(change.status, Status::PaymentComplete);
}

#[test]
fn an_order_that_has_moved_on_does_not_move_again() {
    let mut order = order_in(Status::Processing);

    let refusal = order.advance(Some(Status::Received), later()).unwrap_err();

    let (expected, status) = (Status::Received, Status::Processing);
    assert_eq!(refusal, Refusal::MovedOn { expected, status });
    assert_eq!(refusal.code(), "OrderMovedOn");
    assert_eq!(order, order_in(Status::Processing));
}

#[test]
fn an_open_order_can_be_set_to_any_other_status() {
    for (from, to) in pairs().filter(|(from, to)| !from.is_final() && from != to) {
        let mut order = order_in(from);

        let change = order.set_status(to, later()).unwrap().unwrap();

        assert_eq!(
            (change.previous, change.status, order.status()),
            (Some(from), to, to)
        );
    }
}

#[test]
fn the_same_status_again_changes_nothing_and_makes_no_event() {
    let mut order = order_in(Status::Processing);

    let change = order.set_status(Status::Processing, later()).unwrap();

    assert_eq!(change, None);
    assert_eq!(order, order_in(Status::Processing));
}

#[test]
fn the_status_of_a_completed_order_cannot_be_set() {
    for status in Status::ALL {
        let refusal = order_in(Status::Completed)
            .set_status(status, later())
            .unwrap_err();

        assert_eq!(refusal, Refusal::AlreadyCompleted);
    }
}

#[test]
fn the_status_of_a_cancelled_order_cannot_be_set() {
    for status in Status::ALL {
        let refusal = order_in(Status::Cancelled)
            .set_status(status, later())
            .unwrap_err();

        assert_eq!(refusal, Refusal::AlreadyCancelled);
    }
}

#[test]
fn an_unknown_status_is_refused() {
    let problem = "Teleported".parse::<Status>().unwrap_err();

    assert!(
        problem.to_string().contains("Payment complete"),
        "it says what there is: {problem}"
    );
}

#[test]
fn the_version_counts_each_change() {
    let mut order = order_in(Status::Received);

    let first = order.advance(None, later()).unwrap();
    order.set_status(Status::Processing, later()).unwrap();
    let second = order
        .set_status(Status::Received, later())
        .unwrap()
        .unwrap();
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

fn start() -> DateTime<Utc> {
    moment("2026-11-20T09:30:00Z")
}

fn later() -> DateTime<Utc> {
    moment("2026-11-20T10:30:00Z")
}

/// An order that came into this status in one step.
fn order_in(status: Status) -> Order {
    let (mut order, _) = Order::place(id("14"), some_order(), start());
    order.set_status(status, start()).unwrap();
    order
}

fn pairs() -> impl Iterator<Item = (Status, Status)> {
    Status::ALL
        .into_iter()
        .flat_map(|from| Status::ALL.map(|to| (from, to)))
}
