//! Repeated commands, and what distinguishes them from new ones.

use serde_json::json;

use super::client::Request;
use super::test_worker::{TestWorker, cart, order};

const REPLAYED: &str = "idempotent-replayed";

#[tokio::test]
async fn the_same_key_places_one_order_and_gets_the_same_response() {
    let worker = TestWorker::new().await;
    for path in ["/api/order/add/", "/api/orders"] {
        let request = Request::post(path).json(cart()).key(path);

        let first = worker.send(&request);
        let again = worker.send(&request);

        assert_eq!((first.status, &first.body), (201, &again.body));
        assert_eq!((again.status, again.header(REPLAYED)), (201, Some("true")));
        assert_eq!(first.header(REPLAYED), None);
    }
    assert_eq!(worker.get("/api/orders").json()["orders"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_key_each_cart_is_an_order_of_its_own() {
    let worker = TestWorker::new().await;

    let first = worker.place(&cart());
    let second = worker.place(&cart());

    assert_eq!(first.json()["order_id"], "1000001");
    assert_eq!(second.json()["order_id"], "1000002");
}

#[tokio::test]
async fn a_key_used_with_another_request_is_refused() {
    let worker = TestWorker::new().await;
    worker.send(&Request::post("/api/orders").json(cart()).key("k"));

    let mut other = cart();
    other["total"] = "1.00".into();
    let another_cart = worker.send(&Request::post("/api/orders").json(other).key("k"));
    let another_command = worker.send(&Request::post("/api/orders/1000001/cancel").key("k"));

    for refused in [another_cart, another_command] {
        assert_eq!(refused.problem(), (422, "message_id_reused".to_owned()));
    }
    assert_eq!(worker.status_of("1000001"), "Received");
}

#[tokio::test]
async fn a_rejected_command_is_rejected_again_when_repeated() {
    let worker = TestWorker::new().await;
    worker.place(&order("7"));
    worker.set_status("7", "Processing");
    let cancel = Request::post("/api/orders/7/cancel").key("k");
    let refused = (400, "OrderCannotBeCancelled".to_owned());
    assert_eq!(worker.send(&cancel).problem(), refused);

    // Now the rule would let it pass.
    worker.set_status("7", "Received");

    assert_eq!(worker.send(&cancel).problem(), refused);
    assert_eq!(worker.status_of("7"), "Received");
}

#[tokio::test]
async fn a_key_moves_an_order_once() {
    let worker = TestWorker::new().await;
    worker.place(&order("7"));
    for path in ["/api/orders/7/next", "/api/order/7/status/next/"] {
        let request = Request::post(path).key(path);
        let responses = [worker.send(&request), worker.send(&request)];
        assert_eq!(responses.map(|it| it.status), [204, 204], "{path}");
    }
    assert_eq!(worker.status_of("7"), "Payment complete");
}

#[tokio::test]
async fn a_quoted_key_is_the_same_key() {
    let worker = TestWorker::new().await;
    let request = Request::post("/api/orders").json(cart());

    let bare = worker.send(&request.clone().key("k-1"));
    let quoted = worker.send(&request.key("\"k-1\""));

    assert_eq!(bare.body, quoted.body);
}

#[tokio::test]
async fn a_message_id_in_the_body_is_a_key_too() {
    let worker = TestWorker::new().await;
    let mut named = cart();
    named["message_id"] = "cart-9".into();

    let (first, again) = (worker.place(&named), worker.place(&named));

    assert_eq!(first.body, again.body);
    assert_eq!(worker.get("/api/messages/cart-9").json()["outcome"], "accepted");
}

#[tokio::test]
async fn an_order_is_placed_once_by_its_id() {
    let worker = TestWorker::new().await;
    worker.place(&order(7));

    let again = worker.place(&order("7"));
    let mut other = order(7);
    other["total"] = "1.00".into();
    let reused = worker.send(&Request::post("/api/orders").json(other));

    assert_eq!(again.header(REPLAYED), Some("true"));
    assert_eq!(reused.problem(), (409, "order_id_reused".to_owned()));
}

#[tokio::test]
async fn a_command_without_effect_may_be_repeated_with_its_key() {
    let worker = TestWorker::new().await;
    let cancel = Request::post("/api/orders/7/cancel").key("k");
    assert_eq!(worker.send(&cancel).status, 404);

    worker.place(&order("7"));

    assert_eq!(worker.send(&cancel).status, 204);
    assert_eq!(worker.status_of("7"), "Cancelled");
}

#[tokio::test]
async fn the_history_shows_the_caller_and_the_reason() {
    let worker = TestWorker::new().await;
    worker.send(&Request::post("/api/orders").json(order("7")).key("cart-9"));
    let reason = json!({ "reason": "ordered twice" });
    worker.send(&Request::post("/api/orders/7/cancel").json(reason));

    let history = worker.get("/api/orders/7").json()["history"].clone();

    assert_eq!(history[0]["caused_by"], "cart-9");
    assert_eq!(history[1]["command"], "CancelOrder");
    assert_eq!(history[1]["reason"], "ordered twice");
    let caused_by = history[1]["caused_by"].as_str().unwrap();
    assert!(caused_by.starts_with("http-local-"), "{caused_by}");
}

#[tokio::test]
async fn deviations_are_counted_by_caller() {
    let worker = TestWorker::new().await;
    let mut drifting = cart();
    drifting["colour"] = "red".into();
    drifting["items"][0]["quantity"] = "2".into();
    drifting["total"] = "1.00".into();

    assert_eq!(worker.place(&drifting).status, 201);

    let metrics = worker.get("/metrics").body;
    for name in ["unknown_fields", "coerced_fields", "differing_totals"] {
        let counted = format!("order_worker_{name}_total{{publisher=\"local\"}} 1\n");
        assert!(metrics.contains(&counted), "{counted}{metrics}");
    }
}
