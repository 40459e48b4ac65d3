//! The outcome of a message.

use super::client::Request;
use super::test_worker::{TestWorker, cart, order};

#[tokio::test]
async fn a_message_has_its_outcome_and_the_current_status_of_its_order() {
    let worker = TestWorker::new().await;
    worker.send(&Request::post("/api/orders").json(cart()).key("cart-9"));
    worker.set_status("1000001", "Shipping");

    let message = worker.get("/api/messages/cart-9").json();

    assert_eq!(
        (&message["command"], &message["outcome"]),
        (&"PlaceOrder".into(), &"accepted".into())
    );
    assert_eq!((&message["order_id"], &message["status"]), (&"1000001".into(), &"Shipping".into()));
}

#[tokio::test]
async fn a_rejected_message_has_the_code_of_its_rule() {
    let worker = TestWorker::new().await;
    worker.place(&order("7"));
    worker.set_status("7", "Completed");
    worker.send(&Request::post("/api/orders/7/cancel").key("c/1"));

    let message = worker.get("/api/messages/c%2F1").json();

    assert_eq!(
        (&message["outcome"], &message["code"]),
        (&"rejected".into(), &"OrderCannotBeCancelled".into())
    );
}

#[tokio::test]
async fn a_message_that_was_not_handled_is_not_found() {
    let worker = TestWorker::new().await;
    worker.send(&Request::post("/api/orders/7/cancel").key("too-early"));

    assert_eq!(worker.get("/api/messages/too-early").problem().0, 404);
    assert_eq!(worker.get("/api/messages/nobody").problem().0, 404);
}
