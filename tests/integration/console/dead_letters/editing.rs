//! Giving dead letters another body.

use axum::http::StatusCode;
use order_worker::domain::Status;
use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::dead_letters::{AuditAction, DeadLetterState};

use super::records::TOO_PRECISE;
use crate::console::worker::{Answer, Console};

fn paths(id: i64) -> (String, String) {
    (format!("/dead-letters/{id}/check"), format!("/dead-letters/{id}/save"))
}

/// What stands in the field with the body, as a browser has it.
fn text_in(page: &Answer) -> String {
    let field = page.body.split("<textarea").nth(1).unwrap().split_once('>').unwrap().1;
    let text = field.split("</textarea>").next().unwrap();
    let text = text.strip_prefix('\n').unwrap_or(text);
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[tokio::test]
async fn a_dead_letter_is_mended_and_replayed_and_its_order_is_there() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.signed_in(Role::Operator).await;
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    let mended = text_in(&page).replace("9.505", "9.50");

    let checked = browser.press_on(&page, &check, &check, &[("body", &mended)]).await;
    let fields = [("body", &*mended), ("why", "three decimals")];
    let saved = browser.press_on(&checked, &check, &save, &fields).await;
    let page = browser.get(saved.leads_to()).await;
    let job = browser.replay(id, &[]).await;

    checked.assert_says("Replayed now it would be: accepted.");
    checked.assert_says("<del>-      &quot;price_per_unit&quot;: &quot;9.505&quot;");
    page.assert_says("Revision 2 is saved.");
    page.assert_says("“<bdi>three decimals</bdi>”");
    page.assert_says("Edited since it came");
    assert_eq!(job.figure("accepted"), 1, "{}", job.body);
    assert_eq!(console.order("14").await.order.status(), Status::Received);
    assert_eq!(console.deeds(id).await, [AuditAction::Edit, AuditAction::Replay]);
    assert!(console.actions(id).await.iter().all(|action| action.who == "operator"));
}

#[tokio::test]
async fn a_body_that_would_still_fail_is_saved_only_if_somebody_wants_that() {
    let console = Console::open_to_this_machine().await;
    let id = console.dead_letter("order.place", "{").await;
    let browser = console.browser();
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    let fields = [("body", "{}"), ("why", "half of it")];

    let asked = browser.press_on(&page, &check, &save, &fields).await;

    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY);
    asked.assert_says("Save it although it would still fail");
    assert_eq!(console.kept_dead_letter(id).await.revision, 1);
    let sure = [fields[0], fields[1], ("anyway", "on")];
    browser.press_on(&asked, &check, &save, &sure).await.leads_to();
    let kept = console.kept_dead_letter(id).await;
    assert_eq!((kept.revision, kept.dead_letter.body), (2, b"{}".to_vec()));
    assert_eq!(kept.dead_letter.reason.code, "missing_field");
}

#[tokio::test]
async fn an_edit_needs_a_reason_and_a_change() {
    let console = Console::open_to_this_machine().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.browser();
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    let (same, mended) = (text_in(&page), TOO_PRECISE.replace("9.505", "9.50"));

    let unchanged = [("body", &*same), ("why", "because")];
    let unchanged = browser.press_on(&page, &check, &save, &unchanged).await;
    let unexplained = [("body", &*mended), ("why", "  ")];
    let unexplained = browser.press_on(&page, &check, &save, &unexplained).await;

    unchanged.assert_says("The body is the same.");
    unexplained.assert_says("say why it is changed");
    assert_eq!(text_in(&unexplained), mended, "what was written is not lost");
    assert_eq!(console.kept_dead_letter(id).await.revision, 1);
}

#[tokio::test]
async fn of_two_who_edit_at_once_the_second_is_told_and_loses_nothing() {
    let console = Console::with_tokens().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let (ada, bob) =
        (console.signed_in(Role::Operator).await, console.signed_in(Role::Operator).await);
    let (check, save) = paths(id);
    let (adas, bobs) = (ada.edit_page(id).await, bob.edit_page(id).await);
    let edit = |price: &str| TOO_PRECISE.replace("9.505", price);
    let fields = [("body", &*edit("9.51")), ("why", "rounded up")];
    ada.press_on(&adas, &check, &save, &fields).await.leads_to();

    let fields = [("body", &*edit("9.50")), ("why", "rounded down")];
    let told = bob.press_on(&bobs, &check, &save, &fields).await;

    assert_eq!(told.status, StatusCode::CONFLICT);
    told.assert_says("<bdi>operator</bdi> has edited it meanwhile (“<bdi>rounded up</bdi>”)");
    assert_eq!(text_in(&told), edit("9.50"));
    assert_eq!(console.kept_dead_letter(id).await.revision, 2);
    bob.press_on(&told, &check, &save, &fields).await.leads_to();
    assert_eq!(console.kept_dead_letter(id).await.dead_letter.body, edit("9.50").as_bytes());
}

#[tokio::test]
async fn what_is_not_open_any_more_cannot_be_edited() {
    let console = Console::open_to_this_machine().await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;
    let browser = console.browser();
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    let question =
        browser.press(&format!("/dead-letters/{id}"), "/dead-letters/discard", &[]).await;
    let start = "/dead-letters/discard/start";
    browser.press_on(&question, start, start, &[("why", "not ours")]).await.leads_to();

    let fields = [("body", "{}"), ("why", "too late")];
    let told = browser.press_on(&page, &check, &save, &fields).await;

    assert_eq!(told.status, StatusCode::CONFLICT);
    told.assert_says("is discarded: only one that is open can be edited.");
    assert_eq!(console.state(id).await, DeadLetterState::Discarded);
}

#[tokio::test]
async fn line_ends_stay_what_they_were() {
    let console = Console::open_to_this_machine().await;
    for (body, sent, kept) in
        [("\n{\n", "\r\n{x\r\n", "\n{x\n"), ("{\r\n", "{x\r\n", "{x\r\n"), ("{", "{x", "{x")]
    {
        let id = console.dead_letter("order.place", body).await;
        let browser = console.browser();
        let (check, save) = paths(id);
        let page = browser.edit_page(id).await;
        assert_eq!(text_in(&page), body.replace("\r\n", "\n"));

        let fields = [("body", sent), ("why", "because"), ("anyway", "on")];
        browser.press_on(&page, &check, &save, &fields).await.leads_to();

        assert_eq!(
            console.kept_dead_letter(id).await.dead_letter.body,
            kept.as_bytes(),
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn a_body_as_large_as_a_command_may_be_can_be_saved() {
    let console = Console::open_to_this_machine().await;
    let id = console.dead_letter("order.place", "{").await;
    let browser = console.browser();
    let (check, save) = paths(id);
    let page = browser.edit_page(id).await;
    // Quotation marks take three bytes in a form.
    let body = "\"".repeat(256 * 1024);

    let fields = [("body", &*body), ("why", "because"), ("anyway", "on")];
    browser.press_on(&page, &check, &save, &fields).await.leads_to();

    assert_eq!(console.kept_dead_letter(id).await.dead_letter.body.len(), 256 * 1024);
}
