//! What another site, or a viewer, cannot submit.

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

/// All that the form holds, but for its proof.
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
async fn a_form_without_the_session_s_own_proof_changes_nothing() {
    let console = with_an_order().await;
    let browser = console.signed_in(Role::Operator).await;
    let of_another = csrf_of(&console.signed_in(Role::Operator).await).await;
    for csrf in ["", "guess", &of_another] {
        let answer = browser.submit(NEXT, &fields(csrf)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{csrf}");
    }
    let answer = browser.submit(NEXT, &fields("")[1..]).await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(status(&console).await, Status::Received);
}

#[tokio::test]
async fn without_tokens_a_form_needs_its_proof_all_the_same() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("14")).await;

    let answer = console.browser().submit(NEXT, &fields("")).await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(status(&console).await, Status::Received);
}

#[tokio::test]
async fn a_page_of_another_site_submits_nothing() {
    let console = with_an_order().await;
    let mut browser = console.signed_in(Role::Operator).await;
    let csrf = csrf_of(&browser).await;
    for site in ["cross-site", "same-site", "none"] {
        browser.headers = vec![("sec-fetch-site", site.to_owned())];
        let answer = browser.submit(NEXT, &fields(&csrf)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{site}");
    }
    assert_eq!(status(&console).await, Status::Received);

    browser.headers = vec![("sec-fetch-site", "same-origin".to_owned())];
    browser.submit(NEXT, &fields(&csrf)).await.leads_to();
    assert_eq!(status(&console).await, Status::Processing);
}

#[tokio::test]
async fn an_older_browser_tells_another_site_by_its_origin() {
    let console = with_an_order().await;
    let mut browser = console.signed_in(Role::Operator).await;
    let csrf = csrf_of(&browser).await;
    browser.origin = "https://evil.example";

    let answer = browser.submit(NEXT, &fields(&csrf)).await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(status(&console).await, Status::Received);
}

#[tokio::test]
async fn a_viewer_sees_no_buttons_and_cannot_press_them() {
    let console = with_an_order().await;
    let browser = console.signed_in(Role::Viewer).await;
    let csrf = csrf_of(&browser).await;

    let page = browser.get("/order?id=14").await.body;
    let answer = browser.submit(NEXT, &fields(&csrf)).await;

    assert!(!page.contains("action=\"/order"), "{page}");
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(status(&console).await, Status::Received);
}

#[tokio::test]
async fn a_form_of_a_session_that_has_ended_leads_to_sign_in() {
    let console = with_an_order().await;

    let answer = console.browser().submit(NEXT, &fields("guess")).await;

    assert_eq!(answer.leads_to(), "/sign-in");
}
