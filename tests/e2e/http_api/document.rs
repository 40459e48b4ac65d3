//! The OpenAPI document and the documentation page.

use super::client::Request;
use super::test_worker::TestWorker;

#[tokio::test]
async fn each_documented_path_supports_exactly_its_methods() {
    let worker = TestWorker::new().await;
    let document = worker.get("/api/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    for (template, operations) in paths {
        let path = template.replace(['{', '}'], "");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let response = worker.exchange(&Request { method, ..Request::get(&path) });
            let is_documented = operations.get(method.to_lowercase()).is_some();
            assert_eq!(response.status != 405, is_documented, "{method} {path}: {response:?}");
            assert!(!response.body.contains("nothing at this path"), "{method} {path}");
        }
    }
    assert_eq!(paths.len(), 14);
}

#[tokio::test]
async fn the_page_shows_each_path_and_has_no_script() {
    let worker = TestWorker::new().await;
    let document = worker.get("/api/openapi.json").json();

    let page = worker.get("/api/");

    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.body.contains("<script") && !page.body.contains("style="));
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.body.contains(&format!("<code>{path}</code>")), "{path}");
    }
    assert_eq!(worker.get("/api").header("location"), Some("/api/"));
}

#[tokio::test]
async fn the_documented_examples_are_accepted() {
    let worker = TestWorker::new().await;
    let document = worker.get("/api/openapi.json").json();
    let example = |path: &str| {
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
            .clone()
    };
    let place = |path: &str| worker.send(&Request::post(path).json(example(path))).status;
    assert_eq!([place("/api/orders"), place("/api/order/add/")], [201, 201]);
    let moved = |path: &str| {
        let sent =
            worker.send(&Request::post(&path.replace("{order_id}", "1000001")).json(example(path)));
        (sent.status, worker.status_of("1000001"))
    };
    assert_eq!(moved("/api/orders/{order_id}/status").1, "Shipping");
    worker.set_status("1000001", "Processing");
    assert_eq!(moved("/api/orders/{order_id}/next"), (204, "Payment complete".to_owned()));
    worker.set_status("1000001", "Received");
    assert_eq!(moved("/api/orders/{order_id}/cancel"), (204, "Cancelled".to_owned()));
}
