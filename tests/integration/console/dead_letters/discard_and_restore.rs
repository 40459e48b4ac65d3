//! Discarding and restoring dead letters.

use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::dead_letters::{AuditAction, DeadLetterState};

use crate::console::worker::Console;

const DISCARD: &str = "/dead-letters/discard";
const START: &str = "/dead-letters/discard/start";
const RESTORE: &str = "/dead-letters/restore";

#[tokio::test]
async fn a_dead_letter_is_discarded_with_a_reason_and_restored() {
    let console = Console::with_tokens().await;
    let id = console.premature_commands(1).await[0];
    let browser = console.signed_in(Role::Operator).await;
    let page = format!("/dead-letters/{id}");

    let confirmation = browser.press(&page, DISCARD, &[]).await;
    let discarded = browser.submit_from(&confirmation, START, START, &[("why", "not ours")]).await;

    browser
        .get(discarded.redirect())
        .await
        .assert_contains(&format!("Dead letter {id} discarded."));
    assert_eq!(console.state(id).await, DeadLetterState::Discarded);
    let confirmation = browser.press(&page, RESTORE, &[]).await;
    let start = "/dead-letters/restore/start";
    let restored = browser.submit_from(&confirmation, start, start, &[]).await;
    browser.get(restored.redirect()).await.assert_contains(&format!("Dead letter {id} restored."));
    assert_eq!(console.state(id).await, DeadLetterState::Open);
    let actions = console.audit_log(id).await;
    assert_eq!(actions[0].why.as_deref(), Some("not ours"));
    assert!(actions.iter().all(|action| action.who == "operator"), "{actions:?}");
}

#[tokio::test]
async fn discarding_requires_a_reason() {
    let console = Console::without_tokens().await;
    let id = console.premature_commands(1).await[0];
    let browser = console.browser();
    let confirmation = browser.press(&format!("/dead-letters/{id}"), DISCARD, &[]).await;

    let refused = browser.submit_from(&confirmation, START, START, &[("why", " ")]).await;

    refused.assert_contains("A reason is required.");
    assert_eq!(console.state(id).await, DeadLetterState::Open);
}

#[tokio::test]
async fn only_selected_dead_letters_are_discarded() {
    let console = Console::without_tokens().await;
    let ids = console.premature_commands(4).await;
    let browser = console.browser();
    let list = browser.get("/dead-letters?view=list").await;
    let (first, third) = (ids[0].to_string(), ids[2].to_string());
    let selected = [("id", &*first), ("id", &*third)];

    let confirmation = browser.submit_from(&list, "/dead-letters/replay", DISCARD, &selected).await;
    let job = browser.start(&confirmation, START, &[("why", "not ours")]).await;

    confirmation.assert_contains("Discard 2 dead letters?");
    assert_eq!(job.count("discarded"), 2, "{}", job.body);
    for (id, state) in ids.iter().zip([DeadLetterState::Discarded, DeadLetterState::Open].repeat(2))
    {
        assert_eq!(console.state(*id).await, state);
    }
}

#[tokio::test]
async fn a_group_is_discarded_as_listed_on_the_confirmation_page() {
    let console = Console::without_tokens().await;
    let ids = console.premature_commands(2).await;
    let browser = console.browser();
    let confirmation =
        browser.press("/dead-letters", "/dead-letters/replay", &[("which", "all")]).await;
    assert!(confirmation.body.contains("Replay 2 dead letters?"), "{}", confirmation.body);
    let page = browser.get("/dead-letters").await;
    let asked = [("which", "all")];
    let confirmation = browser.submit_from(&page, "/dead-letters/replay", DISCARD, &asked).await;
    let late = console.dead_letter("order.set_status", r#"{"order_id": "x", "status": 2}"#).await;

    browser.start(&confirmation, START, &[("why", "not ours")]).await;

    assert_eq!(console.state(ids[1]).await, DeadLetterState::Discarded);
    assert_eq!(console.state(late).await, DeadLetterState::Open, "it arrived later");
}

#[tokio::test]
async fn a_dead_letter_that_is_already_discarded_is_not_changed() {
    let console = Console::without_tokens().await;
    let id = console.premature_commands(1).await[0];
    let browser = console.browser();
    let confirmation = browser.press(&format!("/dead-letters/{id}"), DISCARD, &[]).await;
    let why = [("why", "not ours")];
    browser.submit_from(&confirmation, START, START, &why).await.redirect();

    let again = browser.submit_from(&confirmation, START, START, &why).await;

    browser.get(again.redirect()).await.assert_contains("not changed: it is not open.");
    assert_eq!(console.actions_taken(id).await, [AuditAction::Discard]);
}

#[tokio::test]
async fn an_action_without_a_selection_redirects_back() {
    let console = Console::without_tokens().await;
    console.premature_commands(1).await;
    let browser = console.browser();
    let list = browser.get("/dead-letters?view=list").await;

    for path in ["/dead-letters/replay", DISCARD, "/dead-letters/dry-run"] {
        let back = browser.submit_from(&list, "/dead-letters/replay", path, &[]).await;
        assert_eq!(back.redirect(), "/dead-letters?view=list", "{path}");
        browser
            .get(back.redirect())
            .await
            .assert_contains("Nothing to do: no dead letter is selected");
    }
}
