//! R3: publishing events with confirms.

use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel};
use order_worker::messages::OutboxMessage;
use tokio::try_join;

use super::Stopwatch;
use super::prepared::Batch;
use crate::Failure;
use crate::backlog::Sample;
use crate::bench_env::BenchEnv;
use crate::check::ensure_equal;

const PERSISTENT: u8 = 2;

pub async fn run(env: &BenchEnv<'_>, batches: &[Batch]) -> Result<Sample, Failure> {
    let channels = [env.channel().await?, env.channel().await?];
    for channel in &channels {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
    }
    let exchange = env.topology().events_exchange;
    let clock = Stopwatch::start(env.servers).await;
    let shares = batches.split_at(batches.len() / 2);
    try_join!(
        publish_all(&channels[0], &exchange, shares.0),
        publish_all(&channels[1], &exchange, shares.1),
    )?;
    let events = batches.iter().map(|batch| batch.changes.outbox.len()).sum();
    let sample = clock.stop(events);
    ensure_equal("events", env.depth(&env.subscriber()).await?, events)?;
    Ok(sample)
}

async fn publish_all(channel: &Channel, exchange: &str, batches: &[Batch]) -> Result<(), Failure> {
    for Batch { changes, .. } in batches {
        // Started together, the publishes share their writes to the socket.
        let published = changes.outbox.iter().map(|event| publish(channel, exchange, event));
        let confirmations = try_join_all(try_join_all(published).await?).await?;
        if !confirmations.iter().all(lapin::Confirmation::is_ack) {
            return Err("RabbitMQ did not confirm an event".into());
        }
    }
    Ok(())
}

/// With the same options and properties as the worker.
async fn publish(
    channel: &Channel,
    exchange: &str,
    event: &OutboxMessage,
) -> lapin::Result<lapin::PublisherConfirm> {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_app_id("order-worker".into())
        .with_type("OrderStatusChanged".into())
        .with_message_id(event.key.event_id.to_string().into());
    if let Some(correlation_id) = &event.correlation_id {
        properties = properties.with_correlation_id(correlation_id.as_str().into());
    }
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let (exchange, routing_key) = (exchange.into(), event.routing_key.as_str().into());
    channel.basic_publish(exchange, routing_key, options, event.body.as_bytes(), properties).await
}
