//! Viewers and other sites cannot change dead letters.

use axum::http::StatusCode;
use order_worker::entrypoints::http::auth::Role;

use super::fixtures::TOO_PRECISE;
use crate::console::worker::{Browser, Console};

/// All paths of forms.
fn paths(id: i64) -> Vec<String> {
    let with_one = ["show", "dry-run", "edit", "check", "save"];
    let with_many = ["replay", "discard", "restore"];
    let mut paths: Vec<String> =
        with_one.iter().map(|what| format!("/dead-letters/{id}/{what}")).collect();
    for what in with_many {
        paths.push(format!("/dead-letters/{what}"));
        paths.push(format!("/dead-letters/{what}/start"));
    }
    paths.push("/dead-letters/dry-run".to_owned());
    paths.push("/dead-letters/jobs/01a1fbb0-0000-7000-8000-000000000000/stop".to_owned());
    paths
}

async fn csrf_of(browser: &Browser<'_>) -> String {
    let page = browser.get("/dead-letters").await.body;
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

fn fields<'a>(csrf: &'a str, id: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("csrf", csrf),
        ("id", id),
        ("why", "w"),
        ("body", "{}"),
        ("revision", "1"),
        ("anyway", ""),
    ]
}

#[tokio::test]
async fn a_viewer_has_no_buttons_for_dead_letters_and_cannot_submit_their_forms() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.signed_in(Role::Viewer).await;
    let csrf = csrf_of(&browser).await;
    let before = console.record(id).await;

    for page in [
        "/dead-letters".to_owned(),
        "/dead-letters?view=list".to_owned(),
        format!("/dead-letters/{id}"),
    ] {
        let page = browser.get(&page).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.body.contains("action=\"/dead-letters/"), "{}", page.body);
    }
    for path in paths(id) {
        let response = browser.submit(&path, &fields(&csrf, &id.to_string())).await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!((console.record(id).await, console.audit_log(id).await), (before, vec![]));
}

#[tokio::test]
async fn a_form_for_dead_letters_needs_the_csrf_token_of_its_session() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.signed_in(Role::Operator).await;
    let csrf_of_another = csrf_of(&console.signed_in(Role::Operator).await).await;
    let before = console.record(id).await;

    for path in paths(id) {
        for csrf in ["", "guess", &csrf_of_another] {
            let response = browser.submit(&path, &fields(csrf, &id.to_string())).await;
            assert_eq!(response.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    assert_eq!((console.record(id).await, console.audit_log(id).await), (before, vec![]));
}

#[tokio::test]
async fn a_form_for_dead_letters_from_another_site_is_rejected() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let mut browser = console.signed_in(Role::Operator).await;
    let csrf = csrf_of(&browser).await;
    browser.headers = vec![("sec-fetch-site", "cross-site".to_owned())];

    for path in paths(id) {
        let response = browser.submit(&path, &fields(&csrf, &id.to_string())).await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(console.audit_log(id).await, []);
}

#[tokio::test]
async fn dead_letters_require_signing_in() {
    let console = Console::with_tokens().await;
    for path in ["/dead-letters", "/dead-letters/1", "/dead-letters/jobs"] {
        let response = console.browser().get(path).await;
        assert!(response.redirect().starts_with("/sign-in"), "{path}");
    }
}
