//! E-mail addresses: hidden, and shown to whoever leaves their name.

use axum::http::StatusCode;
use order_worker::domain::OrderId;
use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::PiiAccess;

use super::worker::Console;
use crate::support::messages::place;

const EMAIL: &str = "ada@example.com";
const SHOW: &str = "/order/email?id=14";

async fn recorded(console: &Console) -> Vec<PiiAccess> {
    console.database.pii_access_log().accesses(&OrderId::new("14").unwrap(), 10).await.unwrap()
}

#[tokio::test]
async fn an_address_is_masked_on_every_page() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("14")).await;
    for path in ["/order?id=14", "/orders", "/orders?customer=2", "/order/cancel?id=14", "/"] {
        let page = console.browser().get(path).await.body;
        assert!(!page.contains(EMAIL), "{path}: {page}");
    }
    let page = console.browser().get("/order?id=14").await.body;
    assert!(page.contains("a…@example.com"), "{page}");
}

#[tokio::test]
async fn an_operator_sees_it_once_and_that_is_recorded() {
    let console = Console::with_tokens().await;
    console.handle(place("14")).await;
    let browser = console.signed_in(Role::Operator).await;

    let shown = browser.press("/order?id=14", SHOW, &[]).await;

    assert!(shown.body.contains(EMAIL), "{}", shown.body);
    let recorded = recorded(&console).await;
    assert_eq!((recorded.len(), recorded[0].who.as_str()), (1, "operator"));
    let page = browser.get("/order?id=14").await.body;
    assert!(!page.contains(EMAIL) && page.contains("Who saw the e-mail address"), "{page}");
}

#[tokio::test]
async fn a_viewer_sees_only_the_mask() {
    let console = Console::with_tokens().await;
    console.handle(place("14")).await;
    let browser = console.signed_in(Role::Viewer).await;
    let page = browser.get("/order?id=14").await.body;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();

    let answer = browser.submit(SHOW, &[("csrf", csrf)]).await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.body.contains(EMAIL) && !page.contains(SHOW));
    assert_eq!(recorded(&console).await, []);
}

#[tokio::test]
async fn coming_back_to_the_shown_address_shows_it_no_more() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("14")).await;

    assert_eq!(console.browser().get(SHOW).await.leads_to(), "/order?id=14");
    assert_eq!(recorded(&console).await, []);
}

#[tokio::test]
async fn nobody_is_said_to_have_seen_an_order_that_is_not_there() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("15")).await;
    let browser = console.browser();
    let page = browser.get("/order?id=15").await.body;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();

    let answer = browser.submit(SHOW, &[("csrf", csrf)]).await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(recorded(&console).await, []);
}
