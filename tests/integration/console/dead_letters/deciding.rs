//! Giving dead letters up, and opening them again.

use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::dead_letters::{AuditAction, DeadLetterState};

use crate::console::worker::Console;

const DISCARD: &str = "/dead-letters/discard";
const START: &str = "/dead-letters/discard/start";
const RESTORE: &str = "/dead-letters/restore";

#[tokio::test]
async fn a_dead_letter_is_given_up_with_a_reason_and_opened_again() {
    let console = Console::with_tokens().await;
    let id = console.early_moves(1).await[0];
    let browser = console.signed_in(Role::Operator).await;
    let page = format!("/dead-letters/{id}");

    let question = browser.press(&page, DISCARD, &[]).await;
    let told = browser.press_on(&question, START, START, &[("why", "not ours")]).await;

    browser.get(told.leads_to()).await.assert_says("is discarded.");
    assert_eq!(console.state(id).await, DeadLetterState::Discarded);
    let question = browser.press(&page, RESTORE, &[]).await;
    let start = "/dead-letters/restore/start";
    let told = browser.press_on(&question, start, start, &[]).await;
    browser.get(told.leads_to()).await.assert_says("is restored.");
    assert_eq!(console.state(id).await, DeadLetterState::Open);
    let actions = console.actions(id).await;
    assert_eq!(actions[0].why.as_deref(), Some("not ours"));
    assert!(actions.iter().all(|action| action.who == "operator"), "{actions:?}");
}

#[tokio::test]
async fn nothing_is_given_up_without_a_reason() {
    let console = Console::open_to_this_machine().await;
    let id = console.early_moves(1).await[0];
    let browser = console.browser();
    let question = browser.press(&format!("/dead-letters/{id}"), DISCARD, &[]).await;

    let told = browser.press_on(&question, START, START, &[("why", " ")]).await;

    told.assert_says("Say why they are given up.");
    assert_eq!(console.state(id).await, DeadLetterState::Open);
}

#[tokio::test]
async fn those_that_are_ticked_are_given_up_and_no_others() {
    let console = Console::open_to_this_machine().await;
    let ids = console.early_moves(4).await;
    let browser = console.browser();
    let list = browser.get("/dead-letters?view=list").await;
    let (first, third) = (ids[0].to_string(), ids[2].to_string());
    let ticked = [("id", &*first), ("id", &*third)];

    let question = browser.press_on(&list, "/dead-letters/replay", DISCARD, &ticked).await;
    let job = browser.start(&question, START, &[("why", "not ours")]).await;

    question.assert_says("Discard 2 dead letters?");
    assert_eq!(job.figure("discarded"), 2, "{}", job.body);
    for (id, state) in ids.iter().zip([DeadLetterState::Discarded, DeadLetterState::Open].repeat(2))
    {
        assert_eq!(console.state(*id).await, state);
    }
}

#[tokio::test]
async fn a_group_is_given_up_as_it_was_when_the_page_was_shown() {
    let console = Console::open_to_this_machine().await;
    let ids = console.early_moves(2).await;
    let browser = console.browser();
    let question =
        browser.press("/dead-letters", "/dead-letters/replay", &[("which", "all")]).await;
    assert!(question.body.contains("Replay 2 dead letters?"), "{}", question.body);
    let page = browser.get("/dead-letters").await;
    let asked = [("which", "all")];
    let question = browser.press_on(&page, "/dead-letters/replay", DISCARD, &asked).await;
    let late = console.dead_letter("order.set_status", r#"{"order_id": "x", "status": 2}"#).await;

    browser.start(&question, START, &[("why", "not ours")]).await;

    assert_eq!(console.state(ids[1]).await, DeadLetterState::Discarded);
    assert_eq!(console.state(late).await, DeadLetterState::Open, "it came later");
}

#[tokio::test]
async fn what_somebody_else_has_given_up_already_is_told_plainly() {
    let console = Console::open_to_this_machine().await;
    let id = console.early_moves(1).await[0];
    let browser = console.browser();
    let question = browser.press(&format!("/dead-letters/{id}"), DISCARD, &[]).await;
    let why = [("why", "not ours")];
    browser.press_on(&question, START, START, &why).await.leads_to();

    let told = browser.press_on(&question, START, START, &why).await;

    browser.get(told.leads_to()).await.assert_says("was left alone: it is not open any more.");
    assert_eq!(console.deeds(id).await, [AuditAction::Discard]);
}

#[tokio::test]
async fn ticking_none_leads_back_and_does_nothing() {
    let console = Console::open_to_this_machine().await;
    console.early_moves(1).await;
    let browser = console.browser();
    let list = browser.get("/dead-letters?view=list").await;

    for path in ["/dead-letters/replay", DISCARD, "/dead-letters/dry-run"] {
        let back = browser.press_on(&list, "/dead-letters/replay", path, &[]).await;
        assert_eq!(back.leads_to(), "/dead-letters?view=list", "{path}");
        browser.get(back.leads_to()).await.assert_says("Nothing was done: none is ticked");
    }
}
