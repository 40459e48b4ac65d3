//! A delivery that stays unacknowledged for longer than the broker's `consumer_timeout`.
//!
//! RabbitMQ up to 4.2 then closes the channel (406), RabbitMQ 4.3 cancels the consumer and leaves
//! the channel open.

use std::time::{Duration, Instant};

use lapin::BasicProperties;
use sqlx::Executor;

use crate::amqp_client::{AmqpClient, orders, place, publish_orders};
use crate::outages::{control, controlled_broker};
use crate::test_env::{PATIENT_RELAY, TestEnv, logged, variable};
use crate::workload::{assert_processes_new_orders, subscribe, subscriber_of};

/// Timeout and check interval in milliseconds, for channels that are opened from now on.
const LOWERED: (&str, &str) = ("3000", "1000");

/// The defaults of RabbitMQ.
const DEFAULT: (&str, &str) = ("1800000", "60000");

/// A lowered `consumer_timeout`, until this is dropped.
struct LoweredConsumerTimeout<'a>(&'a str);

impl<'a> LoweredConsumerTimeout<'a> {
    fn new(ctl: &'a str) -> Self {
        let lowered = Self(ctl);
        lowered.set(LOWERED);
        lowered
    }

    fn set(&self, (timeout, interval): (&str, &str)) {
        let code = format!(
            "application:set_env(rabbit, consumer_timeout, {timeout}),
             application:set_env(rabbit, channel_tick_interval, {interval})."
        );
        control(self.0, "rabbitmq", &["ctl", "-q", "eval", &code]);
    }
}

impl Drop for LoweredConsumerTimeout<'_> {
    fn drop(&mut self) {
        self.set(DEFAULT);
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn an_order_locked_for_longer_than_the_consumer_timeout_delays_others_by_seconds_only() {
    let Some(ctl) = controlled_broker() else { return };
    let env = TestEnv::exclusive_at(&variable("AMQP_URL"), &variable("DATABASE_URL")).await;
    env.prepare();
    subscribe(&env);
    let lowered = LoweredConsumerTimeout::new(&ctl);
    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;
    let amqp = AmqpClient::on(&env).await;
    publish_orders(&env, &[place("locked")]).await;
    env.wait_for_count("orders", 1).await;
    let mut lock = env.database_session().await;
    lock.execute("begin; select from orders where order_id = 'locked' for update").await.unwrap();

    let cancel = BasicProperties::default().with_message_id("cancel".into());
    amqp.send("order.cancel", br#"{"order_id": "locked"}"#, cancel).await;
    worker.wait_for_log(logged::COMMANDS_STOPPED).await;
    let stopped = Instant::now();
    publish_orders(&env, &orders(0..20)).await;
    env.wait_for_count("orders", 21).await;
    assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
    let log = worker.log();
    assert!(log.contains("cancelled the consumer") || log.contains("timed out"), "{log}");

    lock.execute("rollback").await.unwrap();
    env.wait_for_count("orders where order_id = 'locked' and version = 2", 1).await;
    drop(lowered);
    assert_processes_new_orders(&env).await;
    assert_eq!(env.count("order_history where order_id = 'locked'").await, 2);
    assert_eq!(amqp.depth(&env.name_of("DEAD_LETTER_QUEUE")).await, 0);
    // The order and its cancellation, and the 40 other orders.
    let events = env.python_client(&["events", &subscriber_of(&env), "42"]);
    assert_eq!(events.lines().count(), 42);
    worker.stop().await;
    env.remove().await;
}
