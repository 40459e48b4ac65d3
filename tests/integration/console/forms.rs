//! Forms of other sites (CSRF) and of viewers are rejected.

use axum::http::StatusCode;
use order_worker::domain::Status;
use order_worker::entrypoints::http::auth::Role;

use super::worker::{Browser, Console};
use crate::support::messages::place;

const NEXT: &str = "/order/next";

async fn with_an_order() -> Console {
    let console = Console::with_tokens().await;
    console.handle(place("14")).await;
    console
}

async fn status(console: &Console) -> Status {
    console.order("14").await.order.status()
}

/// The fields of the form, with this CSRF token.
fn fields(csrf: &str) -> [(&str, &str); 4] {
    let intent = "01a1fbb0-0000-7000-8000-000000000000";
    [("csrf", csrf), ("order_id", "14"), ("from", "received"), ("intent", intent)]
}

async fn csrf_of(browser: &Browser<'_>) -> String {
    let page = browser.get("/orders").await.body;
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_form_without_the_csrf_token_of_its_session_is_rejected() {
    let console = with_an_order().await;
    let browser = console.signed_in(Role::Operator).await;
    let csrf_of_another = csrf_of(&console.signed_in(Role::Operator).await).await;
    for csrf in ["", "guess", &csrf_of_another] {
        let response = browser.submit(NEXT, &fields(csrf)).await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{csrf}");
    }
    let response = browser.submit(NEXT, &fields("")[1..]).await;

    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert_eq!(status(&console).await, Status::Received);
}

#[tokio::test]
async fn a_form_needs_a_csrf_token_even_without_sign_in() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;

    let response = console.browser().submit(NEXT, &fields("")).await;

    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert_eq!(status(&console).await, Status::Received);
}

#[tokio::test]
async fn a_form_from_another_site_is_rejected() {
    let console = with_an_order().await;
    let mut browser = console.signed_in(Role::Operator).await;
    let csrf = csrf_of(&browser).await;
    for site in ["cross-site", "same-site", "none"] {
        browser.headers = vec![("sec-fetch-site", site.to_owned())];
        let response = browser.submit(NEXT, &fields(&csrf)).await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{site}");
    }
    assert_eq!(status(&console).await, Status::Received);

    browser.headers = vec![("sec-fetch-site", "same-origin".to_owned())];
    browser.submit(NEXT, &fields(&csrf)).await.redirect();
    assert_eq!(status(&console).await, Status::Processing);
}

#[tokio::test]
async fn without_sec_fetch_site_the_origin_is_checked() {
    let console = with_an_order().await;
    let mut browser = console.signed_in(Role::Operator).await;
    let csrf = csrf_of(&browser).await;
    browser.origin = "https://evil.example";

    let response = browser.submit(NEXT, &fields(&csrf)).await;

    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert_eq!(status(&console).await, Status::Received);
}

#[tokio::test]
async fn a_viewer_has_no_buttons_and_cannot_submit_their_forms() {
    let console = with_an_order().await;
    let browser = console.signed_in(Role::Viewer).await;
    let csrf = csrf_of(&browser).await;

    let page = browser.get("/order?id=14").await.body;
    let response = browser.submit(NEXT, &fields(&csrf)).await;

    assert!(!page.contains("action=\"/order"), "{page}");
    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert_eq!(status(&console).await, Status::Received);
}

#[tokio::test]
async fn a_form_of_an_ended_session_redirects_to_sign_in() {
    let console = with_an_order().await;

    let response = console.browser().submit(NEXT, &fields("guess")).await;

    assert_eq!(response.redirect(), "/sign-in");
}
