//! Who may ask what.

use order_worker::entrypoints::http::auth::Role;

use super::client::{Client, Request};
use super::here::{Here, cart, token};

/// What each role may do, in the order of [`Role::ALL`].
#[tokio::test]
async fn each_role_may_do_what_it_is_there_for() {
    let tokens = Role::ALL.map(token);
    let here = Here::with_tokens(&tokens.each_ref()).await;
    let clients = tokens.each_ref().map(|token| here.with_token(&token.secret));
    for (request, may) in [
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
        assert_eq!(allowed, may, "{} {}", request.method, request.path);
    }
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_told() {
    let here = Here::with_tokens(&[&token(Role::Operator)]).await;
    let forged = here.with_token("owt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let nobody: &Client = &here;
    for client in [nobody, &forged] {
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
async fn what_the_api_says_of_itself_is_for_everybody() {
    let here = Here::with_tokens(&[&token(Role::Operator)]).await;
    for path in ["/api/", "/api/page.css", "/api/openapi.json"] {
        assert_eq!(here.get(path).status, 200, "{path}");
    }
}
