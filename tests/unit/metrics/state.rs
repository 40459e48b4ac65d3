//! Metrics of the worker's state: pauses, consumers, connections.

use order_worker::messages::ConsumedQueue;
use order_worker::service_layer::Health;

use super::scrape;

#[test]
fn a_pause_is_exposed_while_it_lasts_and_counted_once() {
    let health = Health::default();
    health.database_in_trouble("refused");
    health.database_in_trouble("refused again");
    health.publishing_is_blocked();

    let paused = scrape(health.metrics());
    health.database_answers();
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
    health.database_in_trouble("x");
    health.cannot_consume(ConsumedQueue::Commands, "x");
    health.cannot_consume(ConsumedQueue::DeadLetters, "x");
    health.cannot_publish("x");
    health.publishing_is_blocked();

    let seen = scrape(health.metrics());

    for reason in ["database", "consuming", "collecting", "publishing", "blocked"] {
        assert_eq!(seen.value("order_worker_paused", &[("reason", reason)]), Some(1.0), "{reason}");
    }
    health.publishes();
    health.publishing_is_not_blocked();
    health.consumes(ConsumedQueue::Commands);
    health.consumes(ConsumedQueue::DeadLetters);
    health.database_answers();
    assert_eq!(scrape(health.metrics()).sum("order_worker_paused", &[]), 0.0);
}

#[test]
fn a_consumer_is_up_from_its_confirmation_to_its_end() {
    let health = Health::default();
    let up =
        || scrape(health.metrics()).value("order_worker_consumer_up", &[("queue", "commands")]);

    assert_eq!((up(), health.consumes_commands()), (Some(0.0), false));
    health.consumes(ConsumedQueue::Commands);
    assert_eq!((up(), health.consumes_commands()), (Some(1.0), true));
    health.cannot_consume(ConsumedQueue::Commands, "the broker cancelled the consumer");
    assert_eq!((up(), health.consumes_commands()), (Some(0.0), false));
    health.consumes(ConsumedQueue::Commands);
    health.consumes_no_more(ConsumedQueue::Commands);
    assert_eq!((up(), health.consumes_commands()), (Some(0.0), false));
    assert!(health.troubles().none(), "a clean stop is not an outage");
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
