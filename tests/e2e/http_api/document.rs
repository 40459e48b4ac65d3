//! The document and the page.

use super::client::Request;
use super::here::Here;

#[tokio::test]
async fn each_path_of_the_document_is_answered_and_only_by_its_methods() {
    let here = Here::new().await;
    let document = here.get("/api/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    for (template, operations) in paths {
        let path = template.replace(['{', '}'], "");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let answer = here.exchange(&Request { method, ..Request::get(&path) });
            let is_documented = operations.get(method.to_lowercase()).is_some();
            assert_eq!(answer.status != 405, is_documented, "{method} {path}: {answer:?}");
            assert!(!answer.body.contains("nothing at this path"), "{method} {path}");
        }
    }
    assert_eq!(paths.len(), 14);
}

#[tokio::test]
async fn the_page_shows_each_path_and_runs_no_script() {
    let here = Here::new().await;
    let document = here.get("/api/openapi.json").json();

    let page = here.get("/api/");

    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.body.contains("<script") && !page.body.contains("style="));
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.body.contains(&format!("<code>{path}</code>")), "{path}");
    }
    assert_eq!(here.get("/api").header("location"), Some("/api/"));
}

#[tokio::test]
async fn the_examples_of_the_document_are_taken() {
    let here = Here::new().await;
    let document = here.get("/api/openapi.json").json();
    let example = |path: &str| {
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
            .clone()
    };
    let place = |path: &str| here.send(&Request::post(path).json(example(path))).status;
    assert_eq!([place("/api/orders"), place("/api/order/add/")], [201, 201]);
    let moved = |path: &str| {
        let sent =
            here.send(&Request::post(&path.replace("{order_id}", "1000001")).json(example(path)));
        (sent.status, here.status_of("1000001"))
    };
    assert_eq!(moved("/api/orders/{order_id}/status").1, "Shipping");
    here.set_status("1000001", "Processing");
    assert_eq!(moved("/api/orders/{order_id}/next"), (204, "Payment complete".to_owned()));
    here.set_status("1000001", "Received");
    assert_eq!(moved("/api/orders/{order_id}/cancel"), (204, "Cancelled".to_owned()));
}
