//! Permissions of the roles.

use order_worker::entrypoints::http::auth::Role;

use super::client::{Client, Request};
use super::test_worker::{TestWorker, cart, token};

/// The permissions are in the order of [`Role::ALL`].
#[tokio::test]
async fn each_role_has_its_permissions() {
    let tokens = Role::ALL.map(token);
    let worker = TestWorker::with_tokens(&tokens.each_ref()).await;
    let clients = tokens.each_ref().map(|token| worker.with_token(&token.secret));
    for (request, expected) in [
        (Request::post("/api/order/add/").json(cart()), [true, false, true]),
        (Request::post("/api/orders").json(cart()), [true, false, true]),
        (Request::get("/api/customer/14/orders/get/"), [true, true, true]),
        (Request::get("/api/customer/14/orders/incomplete/get/"), [true, true, true]),
        (Request::get("/api/customer/14/orders/complete/get/"), [true, true, true]),
        (Request::get("/api/order/status/1/get/"), [true, true, true]),
        (Request::get("/api/messages/m"), [true, true, true]),
        (Request::get("/api/orders"), [false, true, true]),
        (Request::get("/api/orders/7"), [false, true, true]),
        (Request::post("/api/order/7/cancel"), [false, false, true]),
        (Request::post("/api/order/7/status/1/set/"), [false, false, true]),
        (Request::post("/api/order/7/status/next/"), [false, false, true]),
        (Request::post("/api/orders/7/cancel"), [false, false, true]),
        (Request::post("/api/orders/7/status"), [false, false, true]),
        (Request::post("/api/orders/7/next"), [false, false, true]),
    ] {
        let allowed = clients.each_ref().map(|client| client.send(&request).status != 403);
        assert_eq!(allowed, expected, "{} {}", request.method, request.path);
    }
}

#[tokio::test]
async fn without_a_valid_token_every_endpoint_is_401() {
    let worker = TestWorker::with_tokens(&[&token(Role::Operator)]).await;
    let forged = worker.with_token("owt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let without_token: &Client = &worker;
    for client in [without_token, &forged] {
        for request in [
            Request::post("/api/order/add/").json(cart()),
            Request { method: "PUT", ..Request::post("/api/order/add/").json(cart()) },
            Request::get("/api/customer/14/orders/get/"),
            Request::get("/api/order/status/1/get/"),
            Request::post("/api/order/7/cancel"),
            Request::get("/api/orders"),
            Request::get("/api/messages/m"),
        ] {
            let refused = client.send(&request);
            assert_eq!(refused.problem().0, 401, "{} {}", request.method, request.path);
            assert_eq!(refused.header("www-authenticate"), Some("Token"));
        }
    }
}

#[tokio::test]
async fn the_documentation_of_the_api_is_public() {
    let worker = TestWorker::with_tokens(&[&token(Role::Operator)]).await;
    for path in ["/api/", "/api/page.css", "/api/openapi.json"] {
        assert_eq!(worker.get(path).status, 200, "{path}");
    }
}
