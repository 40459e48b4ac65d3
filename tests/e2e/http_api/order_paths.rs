//! The paths for new clients, where they differ from the legacy paths.

use serde_json::json;

use super::client::Request;
use super::test_worker::{TestWorker, cart, order};

#[tokio::test]
async fn the_response_to_a_new_order_has_its_path() {
    let worker = TestWorker::new().await;
    let mut named = order("a/b ü?");
    named["order_customer"]["name"] = "<b>Ada</b>".into();

    let numbered = worker.place(&cart());
    let placed = worker.place(&named);

    assert_eq!(numbered.header("location"), Some("/api/orders/1000001"));
    assert_eq!(placed.json(), json!({ "order_id": "a/b ü?" }));
    let shown = worker.get(placed.header("location").unwrap()).json();
    assert_eq!(shown["order_id"], "a/b ü?");
    assert_eq!(shown["order_customer"]["name"], "<b>Ada</b>");
}

#[tokio::test]
async fn an_order_is_shown_with_its_history() {
    let worker = TestWorker::new().await;
    worker.place(&order("7"));
    worker.set_status("7", "Shipping");

    let shown = worker.get("/api/orders/7").json();

    assert_eq!((&shown["status"], &shown["version"]), (&json!("Shipping"), &json!(2)));
    assert_eq!(shown["total"], "25.00");
    let [placed, moved] = &shown["history"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!((&placed["previous_status"], &placed["status"]), (&json!(null), &json!("Received")));
    assert_eq!(moved["previous_status"], "Received");
    assert_eq!(worker.get("/api/orders/8").problem().0, 404);
}

#[tokio::test]
async fn an_order_moves_on_only_from_the_expected_status() {
    let worker = TestWorker::new().await;
    worker.place(&order("7"));
    let next = Request::post("/api/orders/7/next").json(json!({ "from": "Received" }));

    assert_eq!(worker.send(&next).status, 204);
    assert_eq!(worker.send(&next).problem(), (400, "OrderMovedOn".to_owned()));
    assert_eq!(worker.status_of("7"), "Processing");
}

#[tokio::test]
async fn a_change_needs_no_body_for_what_is_in_the_path() {
    let worker = TestWorker::new().await;
    worker.place(&order("7"));

    assert_eq!(worker.post("/api/orders/7/next").status, 204);
    assert_eq!(worker.post("/api/orders/7/status").invalid_field(), (400, "status".to_owned()));
    assert_eq!(worker.post("/api/orders/7/cancel").problem().0, 400);
    assert_eq!(worker.post("/api/orders/8/cancel").problem(), (404, "order_not_found".to_owned()));
}

#[tokio::test]
async fn responses_with_personal_data_are_not_cached() {
    let worker = TestWorker::new().await;
    worker.place(&order("7"));
    for path in ["/api/orders", "/api/orders/7", "/api/customer/14/orders/get/"] {
        assert_eq!(worker.get(path).header("cache-control"), Some("no-store"), "{path}");
    }
}
