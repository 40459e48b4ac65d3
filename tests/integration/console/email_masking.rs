//! E-mail addresses on the pages of orders: masked, and revealed with a record.

use axum::http::StatusCode;
use order_worker::domain::OrderId;
use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::PiiAccess;

use super::worker::Console;
use crate::support::messages::place;

const EMAIL: &str = "ada@example.com";
const SHOW: &str = "/order/email?id=14";

async fn accesses(console: &Console) -> Vec<PiiAccess> {
    console.database.pii_access_log().accesses(&OrderId::new("14").unwrap(), 10).await.unwrap()
}

#[tokio::test]
async fn an_address_is_masked_on_every_page() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;
    for path in ["/order?id=14", "/orders", "/orders?customer=2", "/order/cancel?id=14", "/"] {
        let page = console.browser().get(path).await.body;
        assert!(!page.contains(EMAIL), "{path}: {page}");
    }
    let page = console.browser().get("/order?id=14").await.body;
    assert!(page.contains("a…@example.com"), "{page}");
}

#[tokio::test]
async fn an_operator_sees_the_address_once_and_the_access_is_recorded() {
    let console = Console::with_tokens().await;
    console.handle(place("14")).await;
    let browser = console.signed_in(Role::Operator).await;

    let shown = browser.press("/order?id=14", SHOW, &[]).await;

    assert!(shown.body.contains(EMAIL), "{}", shown.body);
    let accesses = accesses(&console).await;
    assert_eq!((accesses.len(), accesses[0].who.as_str()), (1, "operator"));
    let page = browser.get("/order?id=14").await.body;
    assert!(!page.contains(EMAIL) && page.contains("E-mail address viewed by"), "{page}");
}

#[tokio::test]
async fn a_viewer_sees_only_the_masked_address() {
    let console = Console::with_tokens().await;
    console.handle(place("14")).await;
    let browser = console.signed_in(Role::Viewer).await;
    let page = browser.get("/order?id=14").await.body;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();

    let response = browser.submit(SHOW, &[("csrf", csrf)]).await;

    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert!(!response.body.contains(EMAIL) && !page.contains(SHOW));
    assert_eq!(accesses(&console).await, []);
}

#[tokio::test]
async fn opening_the_url_again_does_not_reveal_the_address() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;

    assert_eq!(console.browser().get(SHOW).await.redirect(), "/order?id=14");
    assert_eq!(accesses(&console).await, []);
}

#[tokio::test]
async fn no_access_is_recorded_for_an_order_that_does_not_exist() {
    let console = Console::without_tokens().await;
    console.handle(place("15")).await;
    let browser = console.browser();
    let page = browser.get("/order?id=15").await.body;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();

    let response = browser.submit(SHOW, &[("csrf", csrf)]).await;

    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_eq!(accesses(&console).await, []);
}
