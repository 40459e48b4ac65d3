//! Advancing an order to its next status.

use order_worker::domain::{Rejection, Status};

use super::{later, order_in};

#[test]
fn the_next_status_after_received_is_processing() {
    let mut order = order_in(Status::Received);

    let change = order.advance(None, later()).unwrap();

    assert_eq!((change.previous, change.status), (Some(Status::Received), Status::Processing));
    assert_eq!((order.status(), order.last_updated()), (Status::Processing, later()));
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
    let refusal = order_in(Status::Completed).advance(None, later()).unwrap_err();

    assert_eq!(refusal.code(), "OrderAlreadyCompleted");
}

#[test]
fn there_is_no_next_status_after_cancelled() {
    let refusal = order_in(Status::Cancelled).advance(None, later()).unwrap_err();

    assert_eq!(refusal.code(), "OrderAlreadyCancelled");
}

#[test]
fn an_order_advances_from_the_expected_status() {
    let mut order = order_in(Status::Processing);

    let change = order.advance(Some(Status::Processing), later()).unwrap();

    assert_eq!(change.status, Status::PaymentComplete);
}

#[test]
fn an_order_in_another_status_than_expected_does_not_advance() {
    let mut order = order_in(Status::Processing);

    let refusal = order.advance(Some(Status::Received), later()).unwrap_err();

    let (expected, status) = (Status::Received, Status::Processing);
    assert_eq!(refusal, Rejection::MovedOn { expected, status });
    assert_eq!(refusal.code(), "OrderMovedOn");
    assert_eq!(order, order_in(Status::Processing));
}
