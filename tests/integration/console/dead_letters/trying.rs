//! What replays would come to.

use order_worker::service_layer::dead_letters::DeadLetterState;

use super::records::TOO_PRECISE;
use crate::console::worker::Console;
use crate::support::messages::place;

#[tokio::test]
async fn a_dry_run_tells_what_would_become_of_one_and_changes_nothing() {
    let console = Console::open_to_this_machine().await;
    let id = console.early_moves(1).await[0];
    console.handle(place("o-0")).await;
    let path = format!("/dead-letters/{id}");
    let before = console.kept_dead_letter(id).await;

    let page = console.browser().press(&path, &format!("{path}/dry-run"), &[]).await;

    page.assert_says("Replayed now it would be: accepted.");
    page.assert_says("order o-0 is then Processing");
    assert_eq!(console.kept_dead_letter(id).await, before);
    assert_eq!(console.order("o-0").await.order.version(), 1);
}

#[tokio::test]
async fn a_dry_run_of_all_that_match_counts_what_would_become_of_them() {
    let console = Console::open_to_this_machine().await;
    let ids = console.early_moves(3).await;
    console.dead_letter("order.place", TOO_PRECISE).await;
    console.handle(place("o-1")).await;
    let browser = console.browser();
    let page = browser.get("/dead-letters?view=list").await;
    let all = [("which", "all")];
    let path = "/dead-letters/dry-run";

    let started = browser.press_on(&page, "/dead-letters/replay", path, &all).await;
    let job = browser.job_ended(started.leads_to()).await;

    assert_eq!((job.figure("accepted"), job.figure("still fails")), (1, 3), "{}", job.body);
    job.assert_says("Nothing was published, nothing has changed.");
    for id in ids {
        assert_eq!(console.state(id).await, DeadLetterState::Open);
        assert_eq!(console.deeds(id).await, []);
    }
}

#[tokio::test]
async fn what_a_dry_run_was_about_can_be_replayed_from_its_page() {
    let console = Console::open_to_this_machine().await;
    let ids = console.early_moves(2).await;
    console.handle(place("o-0")).await;
    console.handle(place("o-1")).await;
    let browser = console.browser();
    let page = browser.get("/dead-letters?view=list").await;
    let path = "/dead-letters/dry-run";
    let all = [("which", "all")];
    let started = browser.press_on(&page, "/dead-letters/replay", path, &all).await;
    let job = browser.job_ended(started.leads_to()).await;

    let asking = "/dead-letters/replay";
    let question = browser.press_on(&job, asking, asking, &[]).await;
    let replayed = browser.start(&question, "/dead-letters/replay/start", &[]).await;

    assert_eq!(replayed.figure("accepted"), 2, "{}", replayed.body);
    assert_eq!(console.state(ids[1]).await, DeadLetterState::Replayed);
}
