//! Commands that come over HTTP.

use std::sync::Arc;

use order_worker::entrypoints::command_client::{self, CommandClient, CommandLaneDeps};
use order_worker::service_layer::InFlight;
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::scrape;
use crate::support::clock::TickingClock;
use crate::support::messages::{cancel, place};

#[tokio::test]
async fn requests_are_told_from_messages_of_the_queue() {
    let line = Line::new();
    let _subscription = line.broker.subscribe();
    let (requests, queue) = CommandClient::channel();
    let serving =
        tokio::spawn(command_client::serve(queue, ground(&line), CancellationToken::new()));

    for message in [place("1"), cancel("2")] {
        requests.handle(message).await.unwrap();
    }
    drop(requests);
    serving.await.unwrap();

    let (seen, http) = (scrape(line.metrics()), [("source", "http")]);
    assert_eq!(seen.sum("order_worker_messages_total", &http), 2.0);
    assert_eq!(seen.sum("order_worker_messages_total", &[("source", "queue")]), 0.0);
    assert_eq!(seen.value("order_worker_messages_received_total", &http), Some(2.0));
    assert_eq!(seen.value("order_worker_batch_messages_sum", &http), Some(2.0));
    assert_eq!(seen.value("order_worker_commit_duration_seconds_count", &http), Some(2.0));
    assert_eq!(seen.sum("order_worker_retries_total", &[]), 0.0, "nobody tries it again");
    assert_eq!(seen.value("order_worker_confirm_duration_seconds_count", &[]), Some(1.0));
}

fn ground(line: &Line) -> CommandLaneDeps {
    CommandLaneDeps {
        store: Box::new(line.database.store()),
        publisher: Box::new(line.broker.publisher()),
        clock: Arc::new(TickingClock::default()),
        health: line.health.clone(),
        in_flight: InFlight::default(),
        batch_max: 10,
        keep_unroutable_events: false,
        max_waiting_bytes: command_client::MAX_WAITING_BYTES,
    }
}
