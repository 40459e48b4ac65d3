//! Editing dead letters.

use axum::http::StatusCode;
use order_worker::domain::Status;
use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::dead_letters::{AuditAction, DeadLetterState};

use super::fixtures::TOO_PRECISE;
use crate::console::worker::{Console, Page};

fn paths(id: i64) -> (String, String) {
    (format!("/dead-letters/{id}/check"), format!("/dead-letters/{id}/save"))
}

/// The text in the editor, as a browser shows it.
fn text_in(page: &Page) -> String {
    let field = page.body.split("<textarea").nth(1).unwrap().split_once('>').unwrap().1;
    let text = field.split("</textarea>").next().unwrap();
    let text = text.strip_prefix('\n').unwrap_or(text);
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[tokio::test]
async fn a_dead_letter_is_edited_and_replayed_and_its_order_is_placed() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.signed_in(Role::Operator).await;
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    let fixed = text_in(&page).replace("9.505", "9.50");

    let checked = browser.submit_from(&page, &check, &check, &[("body", &fixed)]).await;
    let fields = [("body", &*fixed), ("why", "three decimals")];
    let saved = browser.submit_from(&checked, &check, &save, &fields).await;
    let page = browser.get(saved.redirect()).await;
    let job = browser.replay(id, &[]).await;

    checked.assert_contains("Dry run: accepted.");
    checked.assert_contains("<del>-      &quot;price_per_unit&quot;: &quot;9.505&quot;");
    page.assert_contains("Revision 2 saved.");
    page.assert_contains("“<bdi>three decimals</bdi>”");
    page.assert_contains("Changes since it was received");
    assert_eq!(job.count("accepted"), 1, "{}", job.body);
    assert_eq!(console.order("14").await.order.status(), Status::Received);
    assert_eq!(console.actions_taken(id).await, [AuditAction::Edit, AuditAction::Replay]);
    assert!(console.audit_log(id).await.iter().all(|action| action.who == "operator"));
}

#[tokio::test]
async fn saving_a_body_that_still_fails_has_to_be_confirmed() {
    let console = Console::without_tokens().await;
    let id = console.dead_letter("order.place", "{").await;
    let browser = console.browser();
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    let fields = [("body", "{}"), ("why", "half of it")];

    let refused = browser.submit_from(&page, &check, &save, &fields).await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.assert_contains("Save although the dry run fails");
    assert_eq!(console.record(id).await.revision, 1);
    let sure = [fields[0], fields[1], ("anyway", "on")];
    browser.submit_from(&refused, &check, &save, &sure).await.redirect();
    let saved = console.record(id).await;
    assert_eq!((saved.revision, saved.dead_letter.body), (2, b"{}".to_vec()));
    assert_eq!(saved.dead_letter.reason.code, "missing_field");
}

#[tokio::test]
async fn an_edit_needs_a_reason_and_a_change() {
    let console = Console::without_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.browser();
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    let (same, fixed) = (text_in(&page), TOO_PRECISE.replace("9.505", "9.50"));

    let unchanged = [("body", &*same), ("why", "because")];
    let unchanged = browser.submit_from(&page, &check, &save, &unchanged).await;
    let unexplained = [("body", &*fixed), ("why", "  ")];
    let unexplained = browser.submit_from(&page, &check, &save, &unexplained).await;

    unchanged.assert_contains("The body is unchanged.");
    unexplained.assert_contains("Not saved: a reason is required.");
    assert_eq!(text_in(&unexplained), fixed, "the text is kept");
    assert_eq!(console.record(id).await.revision, 1);
}

#[tokio::test]
async fn the_second_of_two_concurrent_edits_is_refused_and_its_text_is_kept() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let (ada, bob) =
        (console.signed_in(Role::Operator).await, console.signed_in(Role::Operator).await);
    let (check, save) = paths(id);
    let (adas, bobs) = (ada.edit_page(id).await, bob.edit_page(id).await);
    let edit = |price: &str| TOO_PRECISE.replace("9.505", price);
    let fields = [("body", &*edit("9.51")), ("why", "rounded up")];
    ada.submit_from(&adas, &check, &save, &fields).await.redirect();

    let fields = [("body", &*edit("9.50")), ("why", "rounded down")];
    let refused = bob.submit_from(&bobs, &check, &save, &fields).await;

    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.assert_contains(
        "<bdi>operator</bdi> has edited it in the meantime (“<bdi>rounded up</bdi>”)",
    );
    assert_eq!(text_in(&refused), edit("9.50"));
    assert_eq!(console.record(id).await.revision, 2);
    bob.submit_from(&refused, &check, &save, &fields).await.redirect();
    assert_eq!(console.record(id).await.dead_letter.body, edit("9.50").as_bytes());
}

#[tokio::test]
async fn a_dead_letter_that_is_not_open_cannot_be_edited() {
    let console = Console::without_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.browser();
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    let confirmation =
        browser.press(&format!("/dead-letters/{id}"), "/dead-letters/discard", &[]).await;
    let start = "/dead-letters/discard/start";
    browser.submit_from(&confirmation, start, start, &[("why", "not ours")]).await.redirect();

    let fields = [("body", "{}"), ("why", "too late")];
    let refused = browser.submit_from(&page, &check, &save, &fields).await;

    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.assert_contains("is discarded. Only open dead letters can be edited.");
    assert_eq!(console.state(id).await, DeadLetterState::Discarded);
}

#[tokio::test]
async fn line_endings_are_preserved() {
    let console = Console::without_tokens().await;
    for (body, sent, saved) in
        [("\n{\n", "\r\n{x\r\n", "\n{x\n"), ("{\r\n", "{x\r\n", "{x\r\n"), ("{", "{x", "{x")]
    {
        let id = console.dead_letter("order.place", body).await;
        let browser = console.browser();
        let (check, save) = paths(id);
        let page = browser.edit_page(id).await;
        assert_eq!(text_in(&page), body.replace("\r\n", "\n"));

        let fields = [("body", sent), ("why", "because"), ("anyway", "on")];
        browser.submit_from(&page, &check, &save, &fields).await.redirect();

        assert_eq!(console.record(id).await.dead_letter.body, saved.as_bytes(), "{body:?}");
    }
}

#[tokio::test]
async fn a_body_of_the_maximum_size_can_be_saved() {
    let console = Console::without_tokens().await;
    let id = console.dead_letter("order.place", "{").await;
    let browser = console.browser();
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    // Quotation marks take three bytes in a form.
    let body = "\"".repeat(256 * 1024);

    let fields = [("body", &*body), ("why", "because"), ("anyway", "on")];
    browser.submit_from(&page, &check, &save, &fields).await.redirect();

    assert_eq!(console.record(id).await.dead_letter.body.len(), 256 * 1024);
}
