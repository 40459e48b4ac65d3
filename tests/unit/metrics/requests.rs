//! Metrics of commands over HTTP.

use std::sync::Arc;

use order_worker::entrypoints::command_client::{self, CommandClient, CommandLaneDeps};
use order_worker::service_layer::InFlight;
use tokio_util::sync::CancellationToken;

use super::pipeline::Pipeline;
use super::scrape;
use crate::support::clock::TickingClock;
use crate::support::messages::{cancel, place};

#[tokio::test]
async fn http_commands_are_counted_separately_from_queue_messages() {
    let pipeline = Pipeline::new();
    let _subscription = pipeline.broker.subscribe();
    let (requests, queue) = CommandClient::channel();
    let serving =
        tokio::spawn(command_client::serve(queue, deps(&pipeline), CancellationToken::new()));

    for message in [place("1"), cancel("2")] {
        requests.handle(message).await.unwrap();
    }
    drop(requests);
    serving.await.unwrap();

    let (seen, http) = (scrape(pipeline.metrics()), [("source", "http")]);
    assert_eq!(seen.sum("order_worker_messages_total", &http), 2.0);
    assert_eq!(seen.sum("order_worker_messages_total", &[("source", "queue")]), 0.0);
    assert_eq!(seen.value("order_worker_messages_received_total", &http), Some(2.0));
    assert_eq!(seen.value("order_worker_batch_messages_sum", &http), Some(2.0));
    assert_eq!(seen.value("order_worker_commit_duration_seconds_count", &http), Some(2.0));
    assert_eq!(seen.sum("order_worker_retries_total", &[]), 0.0, "an HTTP command is not retried");
    assert_eq!(seen.value("order_worker_confirm_duration_seconds_count", &[]), Some(1.0));
}

fn deps(pipeline: &Pipeline) -> CommandLaneDeps {
    CommandLaneDeps {
        store: Box::new(pipeline.database.store()),
        publisher: Box::new(pipeline.broker.publisher()),
        clock: Arc::new(TickingClock::default()),
        health: pipeline.health.clone(),
        in_flight: InFlight::default(),
        batch_max: 10,
        keep_unroutable_events: false,
        max_waiting_bytes: command_client::MAX_WAITING_BYTES,
    }
}
