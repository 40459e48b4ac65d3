//! Replays.

use order_worker::domain::Status;
use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::dead_letters::{AuditAction, DeadLetterState};

use super::fixtures::TOO_PRECISE;
use crate::console::worker::{Browser, Console, Page};
use crate::support::messages::{place, set_status};

const ASK: &str = "/dead-letters/replay";
const START: &str = "/dead-letters/replay/start";

async fn confirmation(browser: &Browser<'_>) -> Page {
    let list = browser.get("/dead-letters?view=list").await;
    browser.submit_from(&list, ASK, ASK, &[("which", "all")]).await
}

#[tokio::test]
async fn a_replay_applies_to_what_the_confirmation_page_listed() {
    let console = Console::with_tokens().await;
    let ids = console.premature_commands(2).await;
    for order_id in ["o-0", "o-1", "late"] {
        console.handle(place(order_id)).await;
    }
    let browser = console.signed_in(Role::Operator).await;
    let confirmation = confirmation(&browser).await;
    let late = console.dead_letter("order.place", TOO_PRECISE).await;

    let job = browser.start(&confirmation, START, &[("why", "they exist now")]).await;

    assert_eq!(job.count("accepted"), 2, "{}", job.body);
    job.assert_contains("“<bdi>they exist now</bdi>”");
    assert_eq!(console.order("o-1").await.order.status(), Status::Processing);
    assert_eq!(console.state(late).await, DeadLetterState::Open);
    let action = &console.audit_log(ids[0]).await[0];
    assert_eq!((action.who.as_str(), action.why.as_deref()), ("operator", Some("they exist now")));
}

#[tokio::test]
async fn concurrent_replays_replay_each_dead_letter_once() {
    let console = Console::without_tokens().await;
    let ids = console.premature_commands(20).await;
    for number in 0..20 {
        console.handle(place(&format!("o-{number}"))).await;
    }
    let browser = console.browser();
    let (one, other) = (confirmation(&browser).await, confirmation(&browser).await);

    let (one, other) =
        tokio::join!(browser.start(&one, START, &[]), browser.start(&other, START, &[]));

    let accepted = one.count("accepted") + other.count("accepted");
    // One replay may have loaded a dead letter before the other replayed it; it is then superseded.
    let skipped = |job: &Page| job.count("not open") + job.count("superseded");
    let skipped = skipped(&one) + skipped(&other);
    assert_eq!((accepted, skipped), (20, 20), "{} {}", one.body, other.body);
    for id in ids {
        assert_eq!(console.actions_taken(id).await, [AuditAction::Replay]);
    }
}

#[tokio::test]
async fn a_replay_stops_after_the_maximum_of_failures() {
    let console = Console::without_tokens().await;
    let ids = console.premature_commands(5).await;
    let browser = console.browser();
    let confirmation = confirmation(&browser).await;

    let limits = [("pace", "1,2"), ("stop_after_failures", "2")];
    let job = browser.start(&confirmation, START, &limits).await;

    assert_eq!(job.count("failed again"), 3, "the second step has two");
    job.assert_contains("Stopped: too many failures. 2 not tried");
    assert_eq!(console.record(ids[4]).await.replays, 0);
}

#[tokio::test]
async fn a_stopped_replay_leaves_the_rest_unchanged() {
    let console = Console::with_tokens().await;
    let ids = console.premature_commands(200).await;
    let browser = console.signed_in(Role::Operator).await;
    let confirmation = confirmation(&browser).await;
    // It would take minutes.
    let slow = [("pace", "all"), ("rate", "1")];
    let started = browser.submit_from(&confirmation, START, START, &slow).await;
    let job = started.redirect();

    let stopped = browser.press(job, &format!("{job}/stop"), &[]).await;

    let ended = browser.job_ended(stopped.redirect()).await;
    ended.assert_contains("Stopped by <bdi>operator</bdi>.");
    assert_eq!(console.state(ids[199]).await, DeadLetterState::Open);
    assert_eq!(console.record(ids[199]).await.replays, 0);
    browser.get("/dead-letters/jobs").await.assert_contains("stopped");
    let csrf =
        ended.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let again = browser.submit(&format!("{job}/stop"), &[("csrf", csrf)]).await;
    browser.get(again.redirect()).await.assert_contains("The job has already ended.");
}

#[tokio::test]
async fn a_superseded_command_is_replayed_only_if_forced() {
    let console = Console::without_tokens().await;
    let id = console.premature_commands(1).await[0];
    console.handle(place("o-0")).await;
    console.handle(set_status("o-0", Status::Shipping)).await;
    let browser = console.browser();

    let skipped = browser.replay(id, &[]).await;
    assert_eq!(skipped.count("superseded"), 1, "{}", skipped.body);
    assert_eq!(console.order("o-0").await.order.status(), Status::Shipping);
    let forced = browser.replay(id, &[("force", "on")]).await;

    assert_eq!(forced.count("accepted"), 1, "{}", forced.body);
    assert_eq!(console.order("o-0").await.order.status(), Status::Processing);
}

#[tokio::test]
async fn an_invalid_option_starts_no_replay() {
    let console = Console::without_tokens().await;
    let id = console.premature_commands(1).await[0];
    let browser = console.browser();
    let confirmation = confirmation(&browser).await;
    for (field, error) in [
        (("other_pace", "all,1"), "Pace: must be step sizes from 1"),
        (("rate", "0"), "Rate: must be a positive whole number"),
        (("stop_after_failures", "x"), "Stop_after_failures: must be a positive whole number"),
        (("id", "x"), "Id: must be an id"),
    ] {
        browser.submit_from(&confirmation, START, START, &[field]).await.assert_contains(error);
    }
    assert_eq!(console.actions_taken(id).await, []);
}
