//! E-mail addresses in dead letters: masked, and revealed with a record.

use axum::http::StatusCode;
use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::dead_letters::AuditAction;

use super::fixtures::TOO_PRECISE;
use crate::console::worker::Console;

const ADDRESS: &str = "ada@example.com";

#[tokio::test]
async fn addresses_are_masked_until_an_operator_reveals_them_and_that_is_recorded() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.signed_in(Role::Operator).await;
    let path = format!("/dead-letters/{id}");
    let masked = browser.get(&path).await;
    masked.assert_contains("a…@example.com");
    assert!(!masked.body.contains(ADDRESS), "{}", masked.body);
    assert_eq!(console.audit_log(id).await, []);

    let shown = browser.press(&path, &format!("{path}/show"), &[]).await;

    shown.assert_contains(ADDRESS);
    let actions = console.audit_log(id).await;
    assert_eq!((actions.len(), actions[0].what), (1, AuditAction::Disclose));
    assert_eq!(actions[0].who, "operator");
    assert!(!browser.get(&path).await.body.contains(ADDRESS), "shown once");
}

#[tokio::test]
async fn editing_reveals_the_address_and_that_is_recorded() {
    let console = Console::without_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;

    let page = console.browser().edit_page(id).await;

    page.assert_contains(ADDRESS);
    let actions = console.audit_log(id).await;
    assert_eq!((actions.len(), actions[0].verdict.as_str()), (1, "opened for editing"));
}

#[tokio::test]
async fn a_viewer_cannot_reveal_the_address() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.signed_in(Role::Viewer).await;
    let page = browser.get(&format!("/dead-letters/{id}")).await;
    let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();

    let asked = browser.submit(&format!("/dead-letters/{id}/show"), &[("csrf", csrf)]).await;

    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    assert!(!page.body.contains(ADDRESS) && !asked.body.contains(ADDRESS));
    assert_eq!(console.audit_log(id).await, []);
}
