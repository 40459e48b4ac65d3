//! The paths of the store's client.

use serde_json::{Value, json};

use super::client::{Client, Request};
use super::test_worker::{TestWorker, cart, order};

/// The order in the store's documentation, verbatim.
const SEED: &str = r#"{"items": [{"name": "Prod 001", "price_per_unit": 10, "product_id": 1, "quantity": 2},
           {"name": "Prod 002", "price_per_unit": 12, "product_id": 2, "quantity": 2}],
 "order_customer": {"customer_id": 14, "email": "test@test.com", "name": "Test User"},
 "order_id": 1, "status": 4, "total": "190.00"}"#;

#[tokio::test]
async fn the_stores_order_is_accepted_and_listed_in_its_own_format() {
    let worker = TestWorker::new().await;

    let added = worker.send(&Request::post("/api/order/add/").json(SEED));

    assert_eq!((added.status, added.json()), (201, json!({ "order_id": 1 })));
    let mut listed = worker.get("/api/customer/14/orders/get/").json();
    let created_at = listed[0].as_object_mut().unwrap().remove("created_at").unwrap();
    assert!(created_at.as_str().unwrap().ends_with('Z'), "{created_at}");
    let expected = json!([{
        "id": 1,
        "items": [
            {"name": "Prod 001", "price_per_unit": "10.00", "product_id": 1, "quantity": 2},
            {"name": "Prod 002", "price_per_unit": "12.00", "product_id": 2, "quantity": 2},
        ],
        "total": "190.00",
        "order_customer": {"customer_id": 14, "email": "test@test.com", "name": "Test User"},
        "status": "Received",
    }]);
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn an_order_is_added_by_post_and_by_put_with_and_without_a_slash() {
    let worker = TestWorker::new().await;
    let mut numbers = Vec::new();
    for method in ["POST", "PUT"] {
        for path in ["/api/order/add/", "/api/order/add"] {
            let request = Request { method, ..Request::post(path) };
            let added = worker.send(&request.json(cart()));
            assert_eq!(added.status, 201, "{method} {path}: {added:?}");
            numbers.push(added.json()["order_id"].as_i64().unwrap());
        }
    }
    assert_eq!(numbers, [1_000_001, 1_000_002, 1_000_003, 1_000_004]);
}

#[tokio::test]
async fn a_trailing_slash_is_optional() {
    let worker = TestWorker::new().await;
    for order_id in ["1", "2"] {
        worker.place(&order(order_id));
    }
    for path in [
        "/api/customer/14/orders/get",
        "/api/customer/14/orders/incomplete/get",
        "/api/customer/14/orders/complete/get",
        "/api/order/status/1/get",
    ] {
        assert_eq!(worker.get(path).status, 200, "{path}");
        assert_eq!(worker.get(&format!("{path}/")).status, 200, "{path}/");
    }
    for path in ["status/2/set", "status/next", "status/next/", "status/1/set/", "cancel"] {
        assert_eq!(worker.post(&format!("/api/order/1/{path}")).status, 204, "{path}");
    }
    assert_eq!(worker.post("/api/order/2/cancel/").status, 204);
}

#[tokio::test]
async fn a_customers_orders_are_listed_whole_incomplete_and_complete() {
    let worker = TestWorker::new().await;
    for order_id in ["1", "2", "3", "4"] {
        worker.place(&order(order_id));
    }
    worker.set_status("1", "Shipping");
    worker.set_status("2", "Completed");
    worker.set_status("3", "Cancelled");

    let of = |part: &str| ids(&worker, &format!("/api/customer/14/orders/{part}get/"));
    assert_eq!(of(""), [4, 1, 2, 3]);
    assert_eq!(of("incomplete/"), [4, 1, 3]);
    assert_eq!(of("complete/"), [2]);
    assert_eq!(ids(&worker, "/api/customer/15/orders/get/"), [0; 0]);
}

#[tokio::test]
async fn the_orders_in_a_status_are_listed_by_its_code() {
    let worker = TestWorker::new().await;
    for order_id in ["1", "2", "3"] {
        worker.place(&order(order_id));
    }
    worker.set_status("2", "Payment complete");

    assert_eq!(ids(&worker, "/api/order/status/1/get/"), [3, 1]);
    assert_eq!(ids(&worker, "/api/order/status/3/get/"), [2]);
    assert_eq!(ids(&worker, "/api/order/status/6/get/"), [0; 0]);
    for code in ["0", "7", "-1", "99999999999999999999", "Paid", "%00"] {
        let refused = worker.get(&format!("/api/order/status/{code}/get/"));
        assert_eq!(refused.invalid_field(), (400, "code".to_owned()), "{code}");
    }
}

#[tokio::test]
async fn an_order_is_cancelled_set_and_moved_on() {
    let worker = TestWorker::new().await;
    for order_id in ["1", "2", "3"] {
        worker.place(&order(order_id));
    }
    for (path, order_id, status) in [
        ("/api/order/1/cancel", "1", "Cancelled"),
        ("/api/order/2/status/4/set/", "2", "Shipping"),
        ("/api/order/2/status/1/set/", "2", "Received"),
        ("/api/order/3/status/next/", "3", "Processing"),
        ("/api/order/3/status/next/", "3", "Payment complete"),
    ] {
        let moved = worker.post(path);
        assert_eq!((moved.status, moved.body.as_str()), (204, ""), "{path}");
        assert_eq!(worker.status_of(order_id), status, "{path}");
    }
}

#[tokio::test]
async fn the_body_of_a_change_is_ignored() {
    let worker = TestWorker::new().await;
    worker.place(&order("1"));
    for (kind, body) in
        [("text/plain", "now"), ("application/json", "{"), ("application/json", "{}")]
    {
        let request = Request { body: body.into(), ..Request::post("/api/order/1/status/next/") };
        assert_eq!(worker.send(&request.header("Content-Type", kind)).status, 204, "{body}");
    }
}

#[tokio::test]
async fn the_rule_that_rejects_is_named() {
    let worker = TestWorker::new().await;
    for (order_id, status) in [("1", "Cancelled"), ("2", "Completed"), ("3", "Processing")] {
        worker.place(&order(order_id));
        worker.set_status(order_id, status);
    }
    for (path, code) in [
        ("/api/order/1/cancel", "OrderAlreadyCancelled"),
        ("/api/order/2/cancel", "OrderCannotBeCancelled"),
        ("/api/order/3/cancel", "OrderCannotBeCancelled"),
        ("/api/order/1/status/2/set/", "OrderAlreadyCancelled"),
        ("/api/order/2/status/2/set/", "OrderAlreadyCompleted"),
        ("/api/order/1/status/next/", "OrderAlreadyCancelled"),
        ("/api/order/2/status/next/", "OrderAlreadyCompleted"),
        ("/api/order/3/status/9/set/", "invalid_field"),
    ] {
        assert_eq!(worker.post(path).problem(), (400, code.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn an_order_that_does_not_exist_is_not_found() {
    let worker = TestWorker::new().await;
    for path in ["cancel", "status/2/set/", "status/next/"] {
        let refused = worker.post(&format!("/api/order/7/{path}"));
        assert_eq!(refused.problem(), (404, "order_not_found".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn ids_that_are_not_numbers_stay_strings() {
    let worker = TestWorker::new().await;
    let mut placed = order("GS-7");
    placed["order_customer"]["customer_id"] = "a/b ü".into();
    placed["items"][0]["product_id"] = "007".into();

    let added = worker.send(&Request::post("/api/order/add/").json(&placed));

    assert_eq!(added.json(), json!({ "order_id": "GS-7" }));
    let listed = worker.get("/api/customer/a%2Fb%20%C3%BC/orders/get/").json();
    assert_eq!(listed[0]["id"], "GS-7");
    assert_eq!(listed[0]["order_customer"]["customer_id"], "a/b ü");
    assert_eq!(listed[0]["items"][0]["product_id"], "007");
    assert_eq!(worker.post("/api/order/GS-7/cancel").status, 204);
}

fn ids(client: &Client, path: &str) -> Vec<i64> {
    let listed: Vec<Value> = serde_json::from_value(client.get(path).json()).unwrap();
    listed.iter().map(|order| order["id"].as_i64().unwrap()).collect()
}
