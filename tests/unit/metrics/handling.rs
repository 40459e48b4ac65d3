//! Metrics of command handling.

use order_worker::adapters::clock::SystemClock;
use order_worker::adapters::in_process::Submitted;
use order_worker::messages::BatchResult;
use order_worker::metrics::{Metrics, Source};
use order_worker::service_layer::Clock;
use serde_json::json;
use std::time::Duration;

use super::pipeline::{Pipeline, cancel, command, delivery, order, place};
use super::scrape;

const MESSAGES: &str = "order_worker_messages_total";

#[tokio::test]
async fn commands_are_counted_by_outcome() {
    let commands = [place("1"), place("1"), cancel("1"), cancel("1"), cancel("2")];

    let seen = Pipeline::new().process(&commands).await;

    let count = |command, outcome| {
        let labels = [("source", "queue"), ("command", command), ("outcome", outcome)];
        seen.value(MESSAGES, &labels).unwrap()
    };
    assert_eq!(count("PlaceOrder", "accepted"), 1.0);
    assert_eq!(count("PlaceOrder", "duplicate"), 1.0);
    assert_eq!(count("CancelOrder", "accepted"), 1.0);
    assert_eq!(count("CancelOrder", "rejected"), 1.0);
    assert_eq!(count("CancelOrder", "retry_later"), 1.0);
    assert_eq!(count("CancelOrder", "dead_lettered"), 1.0);
    assert_eq!(seen.sum(MESSAGES, &[]), 6.0);
    assert_eq!(seen.sum("order_worker_messages_received_total", &[("source", "queue")]), 6.0);
}

#[tokio::test]
async fn a_message_with_an_unknown_command_is_counted_as_unknown() {
    let unknown = command("PlayChess", &json!({}));

    let seen = Pipeline::new().process(&[unknown]).await;

    let labels = [("source", "queue"), ("command", "unknown"), ("outcome", "dead_lettered")];
    assert_eq!(seen.value(MESSAGES, &labels), Some(1.0));
}

#[tokio::test]
async fn rejections_are_counted_by_rule() {
    let next = command("SetNextStatus", &json!({"order_id": "1", "from": "Shipping"}));

    let seen = Pipeline::new().process(&[place("1"), next, cancel("1"), cancel("1")]).await;

    let count = |rule| seen.value("order_worker_rejections_total", &[("rule", rule)]);
    assert_eq!(count("OrderMovedOn"), Some(1.0));
    assert_eq!(count("OrderAlreadyCancelled"), Some(1.0));
    assert_eq!(count("OrderAlreadyCompleted"), Some(0.0));
}

#[tokio::test]
async fn retries_are_counted_by_reason() {
    let seen = Pipeline::new().process(&[cancel("1"), cancel("2")]).await;

    let reason = [("reason", "order_not_found")];
    assert_eq!(seen.value("order_worker_retries_total", &reason), Some(2.0));
    assert_eq!(seen.value("order_worker_retries_returned_total", &[]), Some(2.0));
}

#[tokio::test]
async fn batches_and_commits_are_measured() {
    let seen = Pipeline::new().process(&[place("1"), place("2"), place("3")]).await;

    let of_queue = |name: &str| seen.value(name, &[("source", "queue")]).unwrap();
    assert_eq!(of_queue("order_worker_batch_messages_sum"), 3.0);
    let batches = of_queue("order_worker_batch_messages_count");
    assert_eq!(of_queue("order_worker_batch_duration_seconds_count"), batches);
    assert_eq!(of_queue("order_worker_commit_duration_seconds_count"), batches);
}

#[tokio::test]
async fn end_to_end_counts_from_the_publishers_timestamp_where_there_is_one() {
    let now = u64::try_from(SystemClock.now().timestamp()).unwrap();
    let sent_at = |timestamp: u64, mut command: Submitted| {
        command.properties.timestamp = Some(timestamp);
        command
    };
    let in_the_future = sent_at(now + 3600, place("2"));
    let dead = sent_at(now - 100, command("PlaceOrder", &json!({})));

    let seen = Pipeline::new()
        .process(&[sent_at(now - 100, place("1")), in_the_future, dead, place("3")])
        .await;

    let bucket = |le| seen.value("order_worker_end_to_end_seconds_bucket", &[("le", le)]);
    assert_eq!(seen.value("order_worker_end_to_end_seconds_count", &[]), Some(2.0));
    assert_eq!((bucket("1"), bucket("60"), bucket("+Inf")), (Some(1.0), Some(1.0), Some(2.0)));
}

#[test]
fn conflicting_transactions_are_counted() {
    let metrics = Metrics::new();
    let handled = BatchResult { conflicts: 2, ..BatchResult::default() };

    metrics.commands.batch(Source::Queue, 1, &handled, Duration::from_millis(5));

    let conflicts = scrape(&metrics).value("order_worker_conflicts_total", &[("source", "queue")]);
    assert_eq!(conflicts, Some(2.0));
}

#[tokio::test]
async fn redelivered_commands_are_counted() {
    let (pipeline, first, again) = (Pipeline::new(), place("1"), place("2"));

    let seen =
        pipeline.process_deliveries(vec![delivery(first, false), delivery(again, true)]).await;

    assert_eq!(seen.value("order_worker_messages_redelivered_total", &[]), Some(1.0));
    assert_eq!(seen.sum("order_worker_messages_received_total", &[]), 2.0);
}

#[tokio::test]
async fn deviations_from_the_schema_are_counted_by_publisher() {
    let mut drifting = order("1");
    drifting["colour"] = json!("red");
    drifting["items"][0]["quantity"] = json!("2");
    drifting["total"] = json!("1.00");
    let mut named = command("PlaceOrder", &drifting);
    named.properties.app_id = Some("shop".to_owned());
    drifting["order_id"] = json!("2");

    let seen = Pipeline::new().process(&[named, command("PlaceOrder", &drifting)]).await;

    for name in ["unknown_fields", "coerced_fields", "differing_totals"] {
        for publisher in ["shop", "none"] {
            let metric = format!("order_worker_{name}_total");
            assert_eq!(seen.value(&metric, &[("publisher", publisher)]), Some(1.0), "{metric}");
        }
    }
}

#[tokio::test]
async fn priorities_other_than_the_default_are_counted_by_publisher() {
    let with_priority = |order_id, priority| {
        let mut command = place(order_id);
        command.properties.app_id = Some("shop".to_owned());
        command.properties.priority = priority;
        command
    };
    let commands = [None, Some(4), Some(0), Some(9)];
    let commands = ["1", "2", "3", "4"].into_iter().zip(commands);
    let commands: Vec<_> =
        commands.map(|(order_id, priority)| with_priority(order_id, priority)).collect();

    let seen = Pipeline::new().process(&commands).await;

    let name = "order_worker_prioritized_messages_total";
    assert_eq!(seen.value(name, &[("publisher", "shop")]), Some(2.0));
    assert_eq!(seen.value(name, &[("publisher", "none")]), Some(0.0));
}
