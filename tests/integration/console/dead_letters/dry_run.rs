//! Dry runs.

use order_worker::service_layer::dead_letters::DeadLetterState;

use super::fixtures::TOO_PRECISE;
use crate::console::worker::Console;
use crate::support::messages::place;

#[tokio::test]
async fn a_dry_run_shows_the_outcome_and_changes_nothing() {
    let console = Console::without_tokens().await;
    let id = console.premature_commands(1).await[0];
    console.handle(place("o-0")).await;
    let path = format!("/dead-letters/{id}");
    let before = console.record(id).await;

    let page = console.browser().press(&path, &format!("{path}/dry-run"), &[]).await;

    page.assert_contains("Dry run: accepted.");
    page.assert_contains("order o-0 is then Processing");
    assert_eq!(console.record(id).await, before);
    assert_eq!(console.order("o-0").await.order.version(), 1);
}

#[tokio::test]
async fn a_dry_run_of_all_that_match_counts_the_outcomes() {
    let console = Console::without_tokens().await;
    let ids = console.premature_commands(3).await;
    console.dead_letter("order.place", TOO_PRECISE).await;
    console.handle(place("o-1")).await;
    let browser = console.browser();
    let page = browser.get("/dead-letters?view=list").await;
    let all = [("which", "all")];
    let path = "/dead-letters/dry-run";

    let started = browser.submit_from(&page, "/dead-letters/replay", path, &all).await;
    let job = browser.job_ended(started.redirect()).await;

    assert_eq!((job.count("accepted"), job.count("still fails")), (1, 3), "{}", job.body);
    job.assert_contains("Nothing was published or changed.");
    for id in ids {
        assert_eq!(console.state(id).await, DeadLetterState::Open);
        assert_eq!(console.actions_taken(id).await, []);
    }
}

#[tokio::test]
async fn the_dead_letters_of_a_dry_run_can_be_replayed_from_its_page() {
    let console = Console::without_tokens().await;
    let ids = console.premature_commands(2).await;
    console.handle(place("o-0")).await;
    console.handle(place("o-1")).await;
    let browser = console.browser();
    let page = browser.get("/dead-letters?view=list").await;
    let path = "/dead-letters/dry-run";
    let all = [("which", "all")];
    let started = browser.submit_from(&page, "/dead-letters/replay", path, &all).await;
    let job = browser.job_ended(started.redirect()).await;

    let ask = "/dead-letters/replay";
    let confirmation = browser.submit_from(&job, ask, ask, &[]).await;
    let replayed = browser.start(&confirmation, "/dead-letters/replay/start", &[]).await;

    assert_eq!(replayed.count("accepted"), 2, "{}", replayed.body);
    assert_eq!(console.state(ids[1]).await, DeadLetterState::Replayed);
}
