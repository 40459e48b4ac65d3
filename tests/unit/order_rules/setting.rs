//! Setting the status of an order.

use order_worker::domain::{Rejection, Status};

use super::{later, order_in};

#[test]
fn an_open_order_can_be_set_to_any_other_status() {
    for (from, to) in pairs().filter(|(from, to)| !from.is_final() && from != to) {
        let mut order = order_in(from);

        let change = order.set_status(to, later()).unwrap().unwrap();

        assert_eq!((change.previous, change.status, order.status()), (Some(from), to, to));
    }
}

#[test]
fn setting_the_same_status_changes_nothing_and_makes_no_event() {
    let mut order = order_in(Status::Processing);

    let change = order.set_status(Status::Processing, later()).unwrap();

    assert_eq!(change, None);
    assert_eq!(order, order_in(Status::Processing));
}

#[test]
fn the_status_of_a_completed_order_cannot_be_set() {
    for status in Status::ALL {
        let refusal = order_in(Status::Completed).set_status(status, later()).unwrap_err();

        assert_eq!(refusal, Rejection::AlreadyCompleted);
    }
}

#[test]
fn the_status_of_a_cancelled_order_cannot_be_set() {
    for status in Status::ALL {
        let refusal = order_in(Status::Cancelled).set_status(status, later()).unwrap_err();

        assert_eq!(refusal, Rejection::AlreadyCancelled);
    }
}

#[test]
fn an_unknown_status_is_rejected() {
    let problem = "Teleported".parse::<Status>().unwrap_err();

    assert!(
        problem.to_string().contains("Payment complete"),
        "lists the known statuses: {problem}"
    );
}

fn pairs() -> impl Iterator<Item = (Status, Status)> {
    Status::ALL.into_iter().flat_map(|from| Status::ALL.map(|to| (from, to)))
}
