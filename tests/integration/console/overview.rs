//! The first page of a worker that is at work.

use order_worker::entrypoints::http::auth::Role;
use order_worker::service_layer::{Backlog, ConsumedQueue, OpenDeadLetters, Outboxed, QueueDepth};

use super::worker::Console;
use crate::support::messages::{cancel, place};

const FIGURES: &str = "/overview/figures";

/// Somebody's page, after a look at the counters.
async fn page(console: &Console) -> String {
    let metrics = console.health.metrics();
    metrics.recent.push(metrics.look());
    console.browser().get("/").await.body
}

/// The text of a page between two others.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = page.split_once(from).unwrap_or_else(|| panic!("no {from} in {page}"));
    rest.split_once(to).unwrap().0
}

/// The cells of a table's row, by its first one.
fn row(page: &str, first: &str) -> Vec<String> {
    let row = between(page, &format!("{first}</th>"), "</tr>");
    let cells = row.split("<td class=\"number\">").skip(1);
    cells.map(|cell| cell.split('<').next().unwrap().to_owned()).collect()
}

fn stock(open_dead_letters: &[(&str, u64)]) -> Backlog {
    let counts =
        open_dead_letters.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
    Backlog {
        has_orders: true,
        outbox: Outboxed { count: 1_234, oldest: None },
        open_dead_letters: Some(OpenDeadLetters { counts, oldest: None }),
    }
}

#[tokio::test]
async fn what_became_of_commands_is_counted_since_the_start_and_of_late() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("1")).await;
    page(&console).await;

    for message in [place("2"), place("2"), cancel("3")] {
        console.handle(message).await;
    }
    let page = page(&console).await;

    assert_eq!(row(&page, "accepted"), ["1", "2"]);
    assert_eq!(row(&page, "duplicate"), ["1", "1"]);
    assert_eq!(row(&page, "retry later"), ["1", "1"]);
    assert_eq!(row(&page, "rejected"), ["0", "0"]);
}

#[tokio::test]
async fn what_the_servers_say_is_shown_and_what_they_do_not_say_is_left_open() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("1")).await;
    let sampled = &console.health.metrics().sampled;
    page(&console).await;

    sampled.database(Some(&stock(&[("missing_field", 7), ("nobody's", 2)])));
    sampled.queue(ConsumedQueue::Commands, Some(QueueDepth { ready: 56, consumers: 3 }));
    let told = page(&console).await;
    sampled.database(None);
    let silent = page(&console).await;

    assert_eq!(row(&told, "commands in the queue"), ["56", "56"]);
    assert_eq!(row(&told, "messages in the outbox"), ["1,234", "1,234"]);
    assert!(told.contains("3 consumers") && told.contains("/dead-letters?code=missing_field"));
    assert!(told.contains("other codes"), "{told}");
    assert_eq!(row(&silent, "messages in the outbox"), ["–", "1,234"]);
    assert!(silent.contains("none is known to be open"), "{silent}");
}

#[tokio::test]
async fn what_keeps_the_worker_from_its_work_stands_in_the_part_that_stays_fresh() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("1")).await;

    console.health.database_in_trouble("connection refused");
    console.health.publishing_is_blocked();

    let page = page(&console).await;
    let figures = console.browser().get(FIGURES).await.body;
    for told in ["connection refused", "The broker blocks publishing"] {
        assert_eq!((page.matches(told).count(), figures.matches(told).count()), (1, 1), "{told}");
    }
}

#[tokio::test]
async fn nobody_who_consumes_is_somebodys_business() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("1")).await;
    page(&console).await;
    let nobody = QueueDepth { ready: 9, consumers: 0 };
    console.health.metrics().sampled.queue(ConsumedQueue::Commands, Some(nobody));

    let page = page(&console).await;

    assert!(between(&page, "figure bad", "</div>").contains("nobody consumes them"), "{page}");
}

#[tokio::test]
async fn the_charts_have_their_numbers_beside_them_and_no_style_within() {
    let console = Console::open_to_this_machine().await;
    page(&console).await;
    console.handle(place("1")).await;

    let page = page(&console).await;

    let charts = page.matches("role=\"img\"").count();
    assert_eq!((charts, page.matches("class=\"legend\"").count()), (4, 4));
    assert!(!page.contains("style="), "{page}");
    assert_ne!(row(&page, "batch, half of them within"), ["–", "–"]);
    assert_eq!(row(&page, "mean"), ["1.0", "1.0"]);
}

#[tokio::test]
async fn a_worker_that_has_just_begun_says_so() {
    let console = Console::open_to_this_machine().await;
    console.handle(place("1")).await;

    let page = page(&console).await;

    assert!(page.contains("The first figures come in a few seconds."), "{page}");
}

#[tokio::test]
async fn the_figures_are_for_those_who_may_see_pages() {
    let console = Console::with_tokens().await;
    console.handle(place("1")).await;

    let stranger = console.browser().get(FIGURES).await;
    let viewer = console.signed_in(Role::Viewer).await.get(FIGURES).await;

    assert!(stranger.leads_to().starts_with("/sign-in"));
    assert!(viewer.body.starts_with("<div id=\"overview\">"), "{}", viewer.body);
}

#[tokio::test]
async fn orders_that_came_before_this_worker_keep_the_first_steps_away() {
    let console = Console::open_to_this_machine().await;

    let unknown = page(&console).await;
    console.health.metrics().sampled.database(Some(&stock(&[])));
    let known = page(&console).await;

    assert!(unknown.contains("There are no orders yet"), "{unknown}");
    assert!(!known.contains("There are no orders yet"), "{known}");
}
