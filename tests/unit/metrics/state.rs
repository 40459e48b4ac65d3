//! Metrics of the worker's state: pauses, consumers, connections.

use order_worker::messages::ConsumedQueue;
use order_worker::service_layer::Health;

use super::scrape;

#[test]
fn a_pause_is_exposed_while_it_lasts_and_counted_once() {
    let health = Health::default();
    health.database_down("refused");
    health.database_down("refused again");
    health.publishing_blocked();

    let paused = scrape(health.metrics());
    health.database_up();
    let goes_on = scrape(health.metrics());

    let reason = [("reason", "database")];
    assert_eq!(paused.value("order_worker_paused", &reason), Some(1.0));
    assert_eq!(goes_on.value("order_worker_paused", &reason), Some(0.0));
    assert_eq!(goes_on.value("order_worker_paused", &[("reason", "blocked")]), Some(1.0));
    assert_eq!(goes_on.value("order_worker_pauses_total", &reason), Some(1.0));
}

#[test]
fn each_reason_for_a_pause_has_a_label() {
    let health = Health::default();
    health.database_down("x");
    health.consumer_failed(ConsumedQueue::Commands, "x");
    health.consumer_failed(ConsumedQueue::DeadLetters, "x");
    health.publishing_down("x");
    health.publishing_blocked();

    let seen = scrape(health.metrics());

    for reason in ["database", "consuming", "collecting", "publishing", "blocked"] {
        assert_eq!(seen.value("order_worker_paused", &[("reason", reason)]), Some(1.0), "{reason}");
    }
    health.publishing_up();
    health.publishing_unblocked();
    health.consumer_started(ConsumedQueue::Commands);
    health.consumer_started(ConsumedQueue::DeadLetters);
    health.database_up();
    assert_eq!(scrape(health.metrics()).sum("order_worker_paused", &[]), 0.0);
}

#[test]
fn a_consumer_is_up_from_its_confirmation_to_its_end() {
    let health = Health::default();
    let up =
        || scrape(health.metrics()).value("order_worker_consumer_up", &[("queue", "commands")]);

    assert_eq!((up(), health.is_consuming_commands()), (Some(0.0), false));
    health.consumer_started(ConsumedQueue::Commands);
    assert_eq!((up(), health.is_consuming_commands()), (Some(1.0), true));
    health.consumer_failed(ConsumedQueue::Commands, "the broker cancelled the consumer");
    assert_eq!((up(), health.is_consuming_commands()), (Some(0.0), false));
    health.consumer_started(ConsumedQueue::Commands);
    health.consumer_stopped(ConsumedQueue::Commands);
    assert_eq!((up(), health.is_consuming_commands()), (Some(0.0), false));
    assert!(health.outages().none(), "a clean stop is not an outage");
}

#[test]
fn connections_are_counted_by_their_purpose() {
    let health = Health::default();

    health.metrics().state.connected("consumes");
    health.metrics().state.connected("consumes");

    let purpose = [("purpose", "consumes")];
    let seen = scrape(health.metrics());
    assert_eq!(seen.value("order_worker_broker_connections_total", &purpose), Some(2.0));
}

#[test]
fn build_info_and_process_metrics_are_exposed() {
    let seen = scrape(Health::default().metrics());

    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(seen.value("order_worker_build_info", &version), Some(1.0));
    if cfg!(target_os = "linux") {
        let value = |name| seen.value(name, &[]).unwrap();
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_start_time_seconds") > 1.7e9);
    }
}
