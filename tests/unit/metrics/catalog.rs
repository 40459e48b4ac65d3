//! The metrics that are exposed are those of the catalog.

use std::time::Duration;

use order_worker::messages::{Backlog, ConsumedQueue, OpenDeadLetters, OutboxBacklog, QueueDepth};
use order_worker::metrics::{Kind, Metrics, catalog};

use super::scrape;

/// Metrics in which every metric has at least one series.
pub fn eventful() -> Metrics {
    let metrics = Metrics::new();
    let nothing = OutboxBacklog { count: 0, oldest: None };
    let no_dead_letters = OpenDeadLetters { counts: Vec::new(), oldest: None };
    metrics.sampled.record_backlog(Some(&Backlog {
        has_orders: false,
        outbox: nothing,
        open_dead_letters: Some(no_dead_letters),
    }));
    metrics
        .sampled
        .record_depth(ConsumedQueue::Commands, Some(QueueDepth { ready: 0, consumers: 0 }));
    metrics.sampled.record_partitions(&[QueueDepth { ready: 0, consumers: 0 }; 2]);
    metrics.partitions.consumes(2);
    metrics.http.ended(None, "GET", Some(500), Duration::ZERO);
    metrics.state.connected("consumes");
    metrics
}

#[test]
fn the_exposed_metrics_are_those_of_the_catalog() {
    let seen = scrape(&eventful());

    for metric in catalog::ALL {
        let mut labels = metric.labels.to_vec();
        labels.sort_unstable();
        assert_eq!(seen.kinds[metric.name], metric.kind.as_str(), "{}", metric.name);
        assert_eq!(seen.labels_of(metric.name), [labels].into(), "{}", metric.name);
    }
    assert_eq!(seen.kinds.len(), catalog::ALL.len());
}

#[test]
fn metric_names_follow_the_conventions() {
    for metric in catalog::ALL {
        let name = metric.name;
        assert!(name.starts_with("order_worker_") || name.starts_with("process_"), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        if let Kind::Histogram(buckets) = metric.kind {
            assert!(name.ends_with("_seconds") || name.ends_with("_messages"), "{name}");
            assert!(buckets.is_sorted(), "{name}");
        }
        assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
    }
}

#[test]
fn two_workers_in_one_process_have_separate_metrics() {
    let (one, other) = (Metrics::new(), Metrics::new());

    one.clone().state.connected("consumes");

    let connections = |metrics| scrape(metrics).sum("order_worker_broker_connections_total", &[]);
    assert_eq!((connections(&one), connections(&other)), (1.0, 0.0));
}
