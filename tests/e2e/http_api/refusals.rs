//! Invalid requests and their problems.

use serde_json::{Value, json};

use super::client::Request;
use super::test_worker::{TestWorker, cart, order};

#[tokio::test]
async fn the_invalid_field_is_named_with_the_reason() {
    let worker = TestWorker::new().await;
    let with = |pointer: &str, value: Value| {
        let mut cart = cart();
        *cart.pointer_mut(pointer).unwrap() = value;
        cart
    };
    for (body, field, code) in [
        (json!({}), "order_customer", "missing_field"),
        (with("/items", json!([])), "items", "invalid_field"),
        (with("/items/0/quantity", json!(0)), "items[0].quantity", "invalid_field"),
        (with("/items/0/price_per_unit", json!(null)), "items[0].price_per_unit", "missing_field"),
        (with("/total", json!("1e400")), "total", "invalid_field"),
        (
            with("/order_customer/customer_id", json!("")),
            "order_customer.customer_id",
            "invalid_field",
        ),
        (json!([]), "", "invalid_field"),
    ] {
        for path in ["/api/orders", "/api/order/add/"] {
            let refused = worker.send(&Request::post(path).json(&body));
            assert_eq!(refused.problem(), (400, code.to_owned()), "{body}");
            assert_eq!(refused.invalid_field().1, field, "{body}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let worker = TestWorker::new().await;
    for (body, code) in [
        ("", "empty_body"),
        ("{", "malformed_json"),
        ("{\"total\": 1, \"total\": 2}", "duplicate_key"),
        ("items=1", "malformed_json"),
    ] {
        let refused = worker.send(&Request::post("/api/orders").json(body));
        assert_eq!(refused.problem(), (400, code.to_owned()), "{body}");
    }
    let latin = Request { body: b"{\"\xfc\": 1}".to_vec(), ..Request::post("/api/orders") };
    assert_eq!(worker.send(&latin).problem(), (400, "not_utf8".to_owned()));
}

#[tokio::test]
async fn a_body_that_is_too_large_or_of_another_type_is_refused() {
    let worker = TestWorker::new().await;
    let large = Request { body: vec![b' '; 256 * 1024 + 1], ..Request::post("/api/orders") };
    assert_eq!(worker.send(&large).problem(), (413, "too_large".to_owned()));
    let form = Request { body: b"items=1".to_vec(), ..Request::post("/api/order/add/") };
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(worker.send(&form).invalid_field(), (415, "Content-Type".to_owned()));
    let packed = Request::post("/api/orders").json(cart()).header("Content-Encoding", "gzip");
    assert_eq!(worker.send(&packed).invalid_field(), (415, "Content-Encoding".to_owned()));
}

#[tokio::test]
async fn an_invalid_header_is_named() {
    let worker = TestWorker::new().await;
    for (header, value) in [
        ("Idempotency-Key", "x".repeat(256)),
        ("Idempotency-Key", "\"\"".to_owned()),
        ("Idempotency-Key", "schlüssel".to_owned()),
        ("X-Correlation-ID", "besuch-ü".to_owned()),
    ] {
        let request = Request::post("/api/orders").json(cart()).header(header, &value);
        assert_eq!(worker.send(&request).invalid_field(), (400, header.to_owned()), "{value}");
    }
}

#[tokio::test]
async fn two_keys_are_refused() {
    let worker = TestWorker::new().await;

    let refused = worker.send(&Request::post("/api/orders").json(cart()).key("a").key("b"));

    assert_eq!(refused.invalid_field(), (400, "Idempotency-Key".to_owned()));
}

#[tokio::test]
async fn a_malformed_traceparent_is_ignored() {
    let worker = TestWorker::new().await;
    for trace in ["00-0-0-00", "ü"] {
        let request = Request::post("/api/orders").json(cart()).header("traceparent", trace);
        assert_eq!(worker.send(&request).status, 201, "{trace}");
    }
}

#[tokio::test]
async fn an_invalid_id_is_named() {
    let worker = TestWorker::new().await;
    let long = "x".repeat(65);
    for (path, field) in [
        (format!("/api/orders/{long}"), "order_id"),
        ("/api/orders/a%00b".to_owned(), "order_id"),
        (format!("/api/customer/{long}/orders/get/"), "customer_id"),
        (format!("/api/messages/{}", "x".repeat(256)), "message_id"),
    ] {
        assert_eq!(worker.get(&path).invalid_field(), (400, field.to_owned()), "{path}");
    }
    for path in ["cancel", "status/1/set/", "status/next/"] {
        let refused = worker.post(&format!("/api/order/{long}/{path}"));
        assert_eq!(refused.invalid_field(), (400, "order_id".to_owned()), "{path}");
    }
    assert_eq!(worker.get("/api/orders/%FF").problem().0, 400);
}

#[tokio::test]
async fn an_order_id_in_the_body_is_refused_if_the_path_has_one() {
    let worker = TestWorker::new().await;
    worker.place(&order("7"));

    let body = json!({ "order_id": "8", "status": "Shipping" });
    let refused = worker.send(&Request::post("/api/orders/7/status").json(body));

    assert_eq!(refused.problem(), (400, "duplicate_key".to_owned()));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let worker = TestWorker::new().await;
    for path in ["/api/order", "/api/orders/", "/api/orders/7/history", "/api/order/7/8"] {
        assert_eq!(worker.exchange(&Request::get(path)).problem().0, 404, "{path}");
    }
    let wrong = worker.exchange(&Request { method: "DELETE", ..Request::get("/api/orders") });
    assert_eq!(wrong.problem().0, 405);
    assert!(wrong.header("allow").unwrap().contains("POST"));
    assert_eq!(worker.get("/api/order/7/cancel").problem().0, 405);
}
