//! What became of a message.

use super::client::Request;
use super::here::{Here, cart, order};

#[tokio::test]
async fn a_message_is_told_with_its_outcome_and_the_order_as_it_stands() {
    let here = Here::new().await;
    here.send(&Request::post("/api/orders").json(cart()).key("cart-9"));
    here.set_status("1000001", "Shipping");

    let message = here.get("/api/messages/cart-9").json();

    assert_eq!(
        (&message["command"], &message["outcome"]),
        (&"PlaceOrder".into(), &"accepted".into())
    );
    assert_eq!((&message["order_id"], &message["status"]), (&"1000001".into(), &"Shipping".into()));
}

#[tokio::test]
async fn the_rule_that_refused_is_told() {
    let here = Here::new().await;
    here.place(&order("7"));
    here.set_status("7", "Completed");
    here.send(&Request::post("/api/orders/7/cancel").key("c/1"));

    let message = here.get("/api/messages/c%2F1").json();

    assert_eq!(
        (&message["outcome"], &message["code"]),
        (&"rejected".into(), &"OrderCannotBeCancelled".into())
    );
}

#[tokio::test]
async fn a_message_that_is_not_done_with_is_not_found() {
    let here = Here::new().await;
    here.send(&Request::post("/api/orders/7/cancel").key("too-early"));

    assert_eq!(here.get("/api/messages/too-early").problem().0, 404);
    assert_eq!(here.get("/api/messages/nobody").problem().0, 404);
}
