//! Replays as jobs.

use order_worker::domain::Status;
use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::dead_letters::{AuditAction, DeadLetterState};

use super::records::TOO_PRECISE;
use crate::console::worker::{Answer, Browser, Console};
use crate::support::messages::{place, set_status};

const ASK: &str = "/dead-letters/replay";
const START: &str = "/dead-letters/replay/start";

async fn question(browser: &Browser<'_>) -> Answer {
    let list = browser.get("/dead-letters?view=list").await;
    browser.press_on(&list, ASK, ASK, &[("which", "all")]).await
}

#[tokio::test]
async fn a_replay_is_about_what_matched_when_the_page_was_shown() {
    let console = Console::with_tokens().await;
    let ids = console.early_moves(2).await;
    for order_id in ["o-0", "o-1", "late"] {
        console.handle(place(order_id)).await;
    }
    let browser = console.signed_in(Role::Operator).await;
    let question = question(&browser).await;
    let late = console.dead_letter("order.place", TOO_PRECISE).await;

    let job = browser.start(&question, START, &[("why", "they exist now")]).await;

    assert_eq!(job.figure("accepted"), 2, "{}", job.body);
    job.assert_says("“<bdi>they exist now</bdi>”");
    assert_eq!(console.order("o-1").await.order.status(), Status::Processing);
    assert_eq!(console.state(late).await, DeadLetterState::Open);
    let action = &console.actions(ids[0]).await[0];
    assert_eq!((action.who.as_str(), action.why.as_deref()), ("operator", Some("they exist now")));
}

#[tokio::test]
async fn of_two_replays_at_once_each_dead_letter_is_replayed_by_one() {
    let console = Console::open_to_this_machine().await;
    let ids = console.early_moves(20).await;
    for number in 0..20 {
        console.handle(place(&format!("o-{number}"))).await;
    }
    let browser = console.browser();
    let (one, other) = (question(&browser).await, question(&browser).await);

    let (one, other) =
        tokio::join!(browser.start(&one, START, &[]), browser.start(&other, START, &[]));

    let accepted = one.figure("accepted") + other.figure("accepted");
    // One may have looked at a dead letter before the other replayed it, and find its order moved on.
    let left = |job: &Answer| job.figure("not open") + job.figure("superseded");
    let left = left(&one) + left(&other);
    assert_eq!((accepted, left), (20, 20), "{} {}", one.body, other.body);
    for id in ids {
        assert_eq!(console.deeds(id).await, [AuditAction::Replay]);
    }
}

#[tokio::test]
async fn a_replay_stops_by_itself_after_the_failures_that_were_allowed() {
    let console = Console::open_to_this_machine().await;
    let ids = console.early_moves(5).await;
    let browser = console.browser();
    let question = question(&browser).await;

    let limits = [("pace", "1,2"), ("stop_after_failures", "2")];
    let job = browser.start(&question, START, &limits).await;

    assert_eq!(job.figure("failed again"), 3, "the second step has two");
    job.assert_says("It stopped by itself, as too many failed. 2 were not tried");
    assert_eq!(console.kept_dead_letter(ids[4]).await.replays, 0);
}

#[tokio::test]
async fn a_replay_that_is_told_to_stop_leaves_the_rest_as_it_was() {
    let console = Console::with_tokens().await;
    let ids = console.early_moves(200).await;
    let browser = console.signed_in(Role::Operator).await;
    let question = question(&browser).await;
    // It would take minutes.
    let slow = [("pace", "all"), ("rate", "1")];
    let started = browser.press_on(&question, START, START, &slow).await;
    let job = started.leads_to();

    let stopped = browser.press(job, &format!("{job}/stop"), &[]).await;

    let ended = browser.job_ended(stopped.leads_to()).await;
    ended.assert_says("<bdi>operator</bdi> stopped it.");
    assert_eq!(console.state(ids[199]).await, DeadLetterState::Open);
    assert_eq!(console.kept_dead_letter(ids[199]).await.replays, 0);
    browser.get("/dead-letters/jobs").await.assert_says("stopped");
    let csrf =
        ended.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let again = browser.submit(&format!("{job}/stop"), &[("csrf", csrf)]).await;
    browser.get(again.leads_to()).await.assert_says("The job had ended already.");
}

#[tokio::test]
async fn a_move_that_its_order_has_overtaken_is_replayed_only_if_somebody_wants_that() {
    let console = Console::open_to_this_machine().await;
    let id = console.early_moves(1).await[0];
    console.handle(place("o-0")).await;
    console.handle(set_status("o-0", Status::Shipping)).await;
    let browser = console.browser();

    let left = browser.replay(id, &[]).await;
    assert_eq!(left.figure("superseded"), 1, "{}", left.body);
    assert_eq!(console.order("o-0").await.order.status(), Status::Shipping);
    let forced = browser.replay(id, &[("force", "on")]).await;

    assert_eq!(forced.figure("accepted"), 1, "{}", forced.body);
    assert_eq!(console.order("o-0").await.order.status(), Status::Processing);
}

#[tokio::test]
async fn a_setting_that_means_nothing_starts_nothing() {
    let console = Console::open_to_this_machine().await;
    let id = console.early_moves(1).await[0];
    let browser = console.browser();
    let question = question(&browser).await;
    for (field, told) in [
        (("other_pace", "all,1"), "Pace: must be step sizes from 1"),
        (("rate", "0"), "Rate: must be a whole number from 1"),
        (("stop_after_failures", "x"), "Stop_after_failures: must be a whole number"),
        (("id", "x"), "Id: is no id"),
    ] {
        browser.press_on(&question, START, START, &[field]).await.assert_says(told);
    }
    assert_eq!(console.deeds(id).await, []);
}
