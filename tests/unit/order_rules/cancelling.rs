//! Cancelling an order.

use order_worker::domain::{Rejection, Status};

use super::{later, order_in};

#[test]
fn a_received_order_can_be_cancelled() {
    let mut order = order_in(Status::Received);

    let change = order.cancel(later()).unwrap();

    assert_eq!((order.status(), order.version()), (Status::Cancelled, change.version));
    assert_eq!((change.previous, change.at), (Some(Status::Received), later()));
}

#[test]
fn an_order_in_progress_cannot_be_cancelled() {
    for status in [Status::Processing, Status::PaymentComplete, Status::Shipping] {
        let refusal = order_in(status).cancel(later()).unwrap_err();

        assert_eq!(refusal, Rejection::CannotBeCancelled { status });
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
