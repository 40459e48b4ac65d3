//! The overview of a worker with orders.

use order_worker::entrypoints::http::auth::Role;
use order_worker::messages::{Backlog, ConsumedQueue, OpenDeadLetters, OutboxBacklog, QueueDepth};

use super::worker::Console;
use crate::support::messages::{cancel, place};

const FIGURES_PATH: &str = "/overview/figures";

/// The overview after a new snapshot of the metrics.
async fn page(console: &Console) -> String {
    let metrics = console.health.metrics();
    metrics.recent.push(metrics.snapshot());
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

fn backlog(open_dead_letters: &[(&str, u64)]) -> Backlog {
    let counts =
        open_dead_letters.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
    Backlog {
        has_orders: true,
        outbox: OutboxBacklog { count: 1_234, oldest: None },
        open_dead_letters: Some(OpenDeadLetters { counts, oldest: None }),
    }
}

#[tokio::test]
async fn outcomes_are_counted_for_five_minutes_and_since_start() {
    let console = Console::without_tokens().await;
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
async fn sampled_values_are_shown_and_missing_ones_are_unknown() {
    let console = Console::without_tokens().await;
    console.handle(place("1")).await;
    let sampled = &console.health.metrics().sampled;
    page(&console).await;

    sampled.record_backlog(Some(&backlog(&[("missing_field", 7), ("nobody's", 2)])));
    sampled.record_depth(ConsumedQueue::Commands, Some(QueueDepth { ready: 56, consumers: 3 }));
    let sampled_page = page(&console).await;
    sampled.record_backlog(None);
    let unknown_page = page(&console).await;

    assert_eq!(row(&sampled_page, "command queue"), ["56", "56"]);
    assert_eq!(row(&sampled_page, "outbox"), ["1,234", "1,234"]);
    assert!(
        sampled_page.contains("3 consumers")
            && sampled_page.contains("/dead-letters?code=missing_field")
    );
    assert!(sampled_page.contains("other codes"), "{sampled_page}");
    assert_eq!(row(&unknown_page, "outbox"), ["–", "1,234"]);
    assert!(unknown_page.contains("The number of open ones is unknown."), "{unknown_page}");
}

#[tokio::test]
async fn outages_are_shown_once_in_the_part_that_is_refreshed() {
    let console = Console::without_tokens().await;
    console.handle(place("1")).await;

    console.health.database_down("connection refused");
    console.health.publishing_blocked();

    let page = page(&console).await;
    let figures = console.browser().get(FIGURES_PATH).await.body;
    for text in ["connection refused", "Publishing blocked by the broker"] {
        assert_eq!((page.matches(text).count(), figures.matches(text).count()), (1, 1), "{text}");
    }
}

#[tokio::test]
async fn a_command_queue_without_consumers_is_an_alert() {
    let console = Console::without_tokens().await;
    console.handle(place("1")).await;
    page(&console).await;
    let no_consumers = QueueDepth { ready: 9, consumers: 0 };
    console.health.metrics().sampled.record_depth(ConsumedQueue::Commands, Some(no_consumers));

    let page = page(&console).await;

    assert!(between(&page, "stat alert", "</div>").contains("no consumers"), "{page}");
}

#[tokio::test]
async fn each_chart_has_a_table_of_its_values_and_no_inline_style() {
    let console = Console::without_tokens().await;
    page(&console).await;
    console.handle(place("1")).await;

    let page = page(&console).await;

    let charts = page.matches("role=\"img\"").count();
    assert_eq!((charts, page.matches("class=\"legend\"").count()), (4, 4));
    assert!(!page.contains("style="), "{page}");
    assert_ne!(row(&page, "batch duration p50"), ["–", "–"]);
    assert_eq!(row(&page, "mean"), ["1.0", "1.0"]);
}

#[tokio::test]
async fn the_overview_shows_that_there_are_no_metrics_yet() {
    let console = Console::without_tokens().await;
    console.handle(place("1")).await;

    let page = page(&console).await;

    assert!(page.contains("The first values appear in a few seconds."), "{page}");
}

#[tokio::test]
async fn the_figures_require_signing_in() {
    let console = Console::with_tokens().await;
    console.handle(place("1")).await;

    let stranger = console.browser().get(FIGURES_PATH).await;
    let viewer = console.signed_in(Role::Viewer).await.get(FIGURES_PATH).await;

    assert!(stranger.redirect().starts_with("/sign-in"));
    assert!(viewer.body.starts_with("<div id=\"overview\""), "{}", viewer.body);
}

#[tokio::test]
async fn the_overview_is_refreshed_more_than_once() {
    let console = Console::without_tokens().await;

    let page = console.browser().get("/").await.body;
    let refreshed = console.browser().get(FIGURES_PATH).await.body;

    let element = "<div id=\"overview\" data-refresh=\"2\"";
    assert!(page.contains(element), "{page}");
    assert!(refreshed.starts_with(element), "the script stops without it: {refreshed}");
}

#[tokio::test]
async fn the_first_steps_are_not_shown_if_the_database_has_orders() {
    let console = Console::without_tokens().await;

    let unknown = page(&console).await;
    console.health.metrics().sampled.record_backlog(Some(&backlog(&[])));
    let known = page(&console).await;

    assert!(unknown.contains("No orders yet"), "{unknown}");
    assert!(!known.contains("No orders yet"), "{known}");
}

#[tokio::test]
async fn partitions_are_shown_with_their_backlog_and_the_last_delivery_here() {
    let console = Console::without_tokens().await;
    console.handle(place("1")).await;
    let metrics = console.health.metrics();
    let single = {
        page(&console).await;
        page(&console).await
    };
    metrics.partitions.consumes(2);
    metrics.partitions.received(1);
    let depth = |ready, consumers| QueueDepth { ready, consumers };
    metrics.sampled.record_partitions(&[depth(1_234, 0), depth(0, 1)]);

    let page = page(&console).await;

    assert!(!single.contains("Partitions"), "{single}");
    assert_eq!(row(&page, "<th scope=\"row\">0"), ["1,234", "0", "–"]);
    let second = between(&page, "<th scope=\"row\">1", "</tr>");
    assert!(second.contains("active here"), "{second}");
    assert!(second.contains("<td class=\"number\">0 s</td>"), "{second}");
}
