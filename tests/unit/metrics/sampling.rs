//! Metrics that are sampled from the servers.

use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use async_trait::async_trait;
use order_worker::messages::{Backlog, ConsumedQueue, OpenDeadLetters, OutboxBacklog, QueueDepth};
use order_worker::metrics::Metrics;
use order_worker::service_layer::{
    BacklogProbe, QueueDepths, StoreError, sample_backlog, sample_queues,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::pipeline::{Pipeline, place};
use super::scrape;

const SAMPLED: [&str; 6] = [
    "order_worker_outbox_messages",
    "order_worker_outbox_oldest_age_seconds",
    "order_worker_dead_letters_open",
    "order_worker_dead_letters_oldest_age_seconds",
    "order_worker_queue_messages_ready",
    "order_worker_queue_consumers",
];

const PARTITION_MESSAGES: &str = "order_worker_partition_messages_ready";
const PARTITION_CONSUMERS: &str = "order_worker_partition_consumers";
const PARTITION_RECEIVED: &str = "order_worker_partition_messages_received_total";

fn backlog() -> Backlog {
    let counts = vec![("missing_field".to_owned(), 3), ("unknown_code".to_owned(), 2)];
    Backlog {
        has_orders: true,
        outbox: OutboxBacklog { count: 7, oldest: Some(Duration::from_millis(2500)) },
        open_dead_letters: Some(OpenDeadLetters { counts, oldest: None }),
    }
}

#[test]
fn sampled_values_are_exposed() {
    let metrics = Metrics::new();
    metrics.sampled.record_backlog(Some(&backlog()));
    metrics
        .sampled
        .record_depth(ConsumedQueue::Commands, Some(QueueDepth { ready: 9, consumers: 2 }));

    let seen = scrape(&metrics);

    let commands = [("queue", "commands")];
    assert_eq!(seen.value(SAMPLED[0], &[]), Some(7.0));
    assert_eq!(seen.value(SAMPLED[1], &[]), Some(2.5));
    assert_eq!(seen.value(SAMPLED[2], &[("code", "missing_field")]), Some(3.0));
    assert_eq!(seen.value(SAMPLED[2], &[("code", "other")]), Some(2.0));
    assert_eq!(seen.value(SAMPLED[3], &[]), Some(0.0));
    assert_eq!(seen.value(SAMPLED[4], &commands), Some(9.0));
    assert_eq!(seen.value(SAMPLED[5], &commands), Some(2.0));
}

#[test]
fn a_failed_sample_is_absent_and_not_zero() {
    let metrics = Metrics::new();
    let before = scrape(&metrics);
    metrics.sampled.record_backlog(Some(&backlog()));
    metrics
        .sampled
        .record_depth(ConsumedQueue::Commands, Some(QueueDepth { ready: 9, consumers: 2 }));

    metrics.sampled.record_backlog(None);
    metrics.sampled.record_depth(ConsumedQueue::Commands, None);

    let seen = scrape(&metrics);
    for name in SAMPLED {
        assert_eq!((before.samples.get(name), seen.samples.get(name)), (None, None), "{name}");
    }
    for server in ["database", "broker"] {
        let failed = seen.value("order_worker_samples_failed_total", &[("server", server)]);
        assert_eq!(failed, Some(1.0), "{server}");
    }
}

#[test]
fn partitions_are_exposed_and_vanish_with_a_failed_sample() {
    let metrics = Metrics::new();
    let depth = |ready, consumers| QueueDepth { ready, consumers };
    metrics.sampled.record_partitions(&[depth(0, 1), depth(7, 0)]);
    let seen = scrape(&metrics);

    metrics.sampled.record_partitions(&[]);

    let second = [("partition", "1")];
    assert_eq!(seen.value(PARTITION_MESSAGES, &second), Some(7.0));
    assert_eq!(seen.value(PARTITION_CONSUMERS, &second), Some(0.0));
    assert_eq!(seen.value(PARTITION_CONSUMERS, &[("partition", "0")]), Some(1.0));
    let failed = scrape(&metrics);
    assert_eq!(failed.samples.get(PARTITION_MESSAGES), None);
    assert_eq!(failed.samples.get(PARTITION_CONSUMERS), None);
}

#[test]
fn a_single_partition_has_no_metrics_of_its_own() {
    let metrics = Metrics::new();

    metrics.sampled.record_partitions(&[QueueDepth { ready: 9, consumers: 1 }]);
    metrics.partitions.consumes(1);
    metrics.partitions.received(0);

    let seen = scrape(&metrics);
    for name in [PARTITION_MESSAGES, PARTITION_CONSUMERS, PARTITION_RECEIVED] {
        assert_eq!(seen.samples.get(name), None, "{name}");
    }
    assert!(metrics.snapshot().last_deliveries.is_empty());
}

#[test]
fn deliveries_are_counted_by_partition() {
    let metrics = Metrics::new();
    metrics.partitions.consumes(3);

    metrics.partitions.received(2);
    metrics.partitions.received(2);
    metrics.partitions.received(3);

    let seen = scrape(&metrics);
    let count = |partition| seen.value(PARTITION_RECEIVED, &[("partition", partition)]);
    assert_eq!([count("0"), count("2"), count("3")], [Some(0.0), Some(2.0), None]);
    let last = metrics.snapshot().last_deliveries;
    assert_eq!(last.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn failed_samples_are_retried() {
    let metrics = Metrics::new();
    let stop = CancellationToken::new();
    let database = InMemoryDatabase::new();
    database.set_available(false);
    let asking =
        tokio::spawn(sample_backlog(Box::new(database.clone()), metrics.clone(), stop.clone()));
    sleep(Duration::from_secs(12)).await;
    let silent = scrape(&metrics);

    database.set_available(true);
    sleep(Duration::from_secs(12)).await;

    let failed = [("server", "database")];
    assert_eq!(silent.value("order_worker_samples_failed_total", &failed), Some(3.0));
    assert_eq!(silent.value(SAMPLED[0], &[]), None);
    assert_eq!(scrape(&metrics).value(SAMPLED[0], &[]), Some(0.0));
    stop.cancel();
    asking.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_is_sampled_less_often() {
    let metrics = Metrics::new();
    let stop = CancellationToken::new();
    let asking = tokio::spawn(sample_backlog(Box::new(Slow), metrics.clone(), stop.clone()));

    sleep(Duration::from_secs(100)).await;

    // 1 s per query and 20 s of pause.
    let failed = [("server", "database")];
    let asked = scrape(&metrics).value("order_worker_samples_failed_total", &failed);
    assert_eq!(asked, Some(5.0));
    stop.cancel();
    asking.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_queues_of_the_in_process_broker_are_sampled() {
    let pipeline = Pipeline::new();
    pipeline.broker.submit(place("1"));
    let (metrics, stop) = (pipeline.metrics().clone(), CancellationToken::new());
    let asking = tokio::spawn(sample_queues(pipeline.broker.clone(), metrics, stop.clone()));

    sleep(Duration::from_secs(1)).await;

    let seen = scrape(pipeline.metrics());
    assert_eq!(seen.value(SAMPLED[4], &[("queue", "commands")]), Some(1.0));
    assert_eq!(seen.value(SAMPLED[5], &[("queue", "commands")]), Some(0.0));
    assert_eq!(seen.value(SAMPLED[4], &[("queue", "dead_letters")]), Some(0.0));
    stop.cancel();
    asking.await.unwrap();
}

#[tokio::test]
async fn a_consumer_of_the_in_process_broker_counts_until_it_ends() {
    let mut broker = Pipeline::new().broker;
    let stop = CancellationToken::new();
    let (source, ended) = broker.consume(1, stop);
    let here = broker.depths(ConsumedQueue::Commands).await.unwrap()[0].consumers;

    drop(source);
    ended.await.unwrap();

    let after = broker.depths(ConsumedQueue::Commands).await.unwrap()[0].consumers;
    assert_eq!((here, after), (1, 0));
}

/// Fails after a second.
#[derive(Debug)]
struct Slow;

#[async_trait]
impl BacklogProbe for Slow {
    async fn backlog(&mut self) -> Result<Backlog, StoreError> {
        sleep(Duration::from_secs(1)).await;
        Err(StoreError::Unavailable("busy".to_owned()))
    }
}
