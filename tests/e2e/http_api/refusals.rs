//! Requests that are wrong in themselves, and the words in which that is said.

use serde_json::{Value, json};

use super::client::Request;
use super::here::{Here, cart, order};

#[tokio::test]
async fn the_field_at_fault_is_named_with_the_reason() {
    let here = Here::new().await;
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
            let refused = here.send(&Request::post(path).json(&body));
            assert_eq!(refused.problem(), (400, code.to_owned()), "{body}");
            assert_eq!(refused.fault().1, field, "{body}");
        }
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_with_the_place() {
    let here = Here::new().await;
    for (body, code) in [
        ("", "empty_body"),
        ("{", "malformed_json"),
        ("{\"total\": 1, \"total\": 2}", "duplicate_key"),
        ("items=1", "malformed_json"),
    ] {
        let refused = here.send(&Request::post("/api/orders").json(body));
        assert_eq!(refused.problem(), (400, code.to_owned()), "{body}");
    }
    let latin = Request { body: b"{\"\xfc\": 1}".to_vec(), ..Request::post("/api/orders") };
    assert_eq!(here.send(&latin).problem(), (400, "not_utf8".to_owned()));
}

#[tokio::test]
async fn a_body_that_is_too_large_or_of_another_kind_is_refused_before_it_is_read() {
    let here = Here::new().await;
    let large = Request { body: vec![b' '; 256 * 1024 + 1], ..Request::post("/api/orders") };
    assert_eq!(here.send(&large).problem(), (413, "too_large".to_owned()));
    let form = Request { body: b"items=1".to_vec(), ..Request::post("/api/order/add/") };
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(here.send(&form).fault(), (415, "Content-Type".to_owned()));
    let packed = Request::post("/api/orders").json(cart()).header("Content-Encoding", "gzip");
    assert_eq!(here.send(&packed).fault(), (415, "Content-Encoding".to_owned()));
}

#[tokio::test]
async fn a_header_that_cannot_be_is_named() {
    let here = Here::new().await;
    for (header, value) in [
        ("Idempotency-Key", "x".repeat(256)),
        ("Idempotency-Key", "\"\"".to_owned()),
        ("Idempotency-Key", "schlüssel".to_owned()),
        ("X-Correlation-ID", "besuch-ü".to_owned()),
    ] {
        let request = Request::post("/api/orders").json(cart()).header(header, &value);
        assert_eq!(here.send(&request).fault(), (400, header.to_owned()), "{value}");
    }
}

#[tokio::test]
async fn of_two_keys_it_is_not_guessed_which_one_is_meant() {
    let here = Here::new().await;

    let refused = here.send(&Request::post("/api/orders").json(cart()).key("a").key("b"));

    assert_eq!(refused.fault(), (400, "Idempotency-Key".to_owned()));
}

#[tokio::test]
async fn a_malformed_trace_is_no_reason_to_refuse_an_order() {
    let here = Here::new().await;
    for trace in ["00-0-0-00", "ü"] {
        let request = Request::post("/api/orders").json(cart()).header("traceparent", trace);
        assert_eq!(here.send(&request).status, 201, "{trace}");
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_is_named() {
    let here = Here::new().await;
    let long = "x".repeat(65);
    for (path, field) in [
        (format!("/api/orders/{long}"), "order_id"),
        ("/api/orders/a%00b".to_owned(), "order_id"),
        (format!("/api/customer/{long}/orders/get/"), "customer_id"),
        (format!("/api/messages/{}", "x".repeat(256)), "message_id"),
    ] {
        assert_eq!(here.get(&path).fault(), (400, field.to_owned()), "{path}");
    }
    for path in ["cancel", "status/1/set/", "status/next/"] {
        let refused = here.post(&format!("/api/order/{long}/{path}"));
        assert_eq!(refused.fault(), (400, "order_id".to_owned()), "{path}");
    }
    assert_eq!(here.get("/api/orders/%FF").problem().0, 400);
}

#[tokio::test]
async fn an_order_id_beside_that_of_the_path_is_refused() {
    let here = Here::new().await;
    here.place(&order("7"));

    let body = json!({ "order_id": "8", "status": "Shipping" });
    let refused = here.send(&Request::post("/api/orders/7/status").json(body));

    assert_eq!(refused.problem(), (400, "duplicate_key".to_owned()));
}

#[tokio::test]
async fn wrong_paths_and_methods_are_problems_too() {
    let here = Here::new().await;
    for path in ["/api/order", "/api/orders/", "/api/orders/7/history", "/api/order/7/8"] {
        assert_eq!(here.exchange(&Request::get(path)).problem().0, 404, "{path}");
    }
    let wrong = here.exchange(&Request { method: "DELETE", ..Request::get("/api/orders") });
    assert_eq!(wrong.problem().0, 405);
    assert!(wrong.header("allow").unwrap().contains("POST"));
    assert_eq!(here.get("/api/order/7/cancel").problem().0, 405);
}
