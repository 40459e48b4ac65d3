//! Sends the `basic.publish` frames of a batch, and maps targets to exchanges and routing keys.

use std::borrow::Cow;
use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::Either;
use lapin::Channel;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;

use super::{Topology, properties};
use crate::messages::{Publication, Target};

/// Sends all messages of a batch; the returned confirms are still to be awaited.
pub(super) async fn send_batch(
    channel: &Channel,
    topology: &Topology,
    batch: &[Publication],
) -> lapin::Result<Vec<lapin::PublisherConfirm>> {
    // Started together, they share writes to the socket, in the order of the batch.
    let publish = |publication| started(publish(channel, topology, publication));
    all(batch.iter().map(publish).collect()).await
}

/// Polls a future once, so that it starts. The result is small and can be moved.
fn started<F: Future>(future: F) -> impl Future<Output = F::Output> + Unpin {
    let mut future = Box::pin(future);
    match future.as_mut().now_or_never() {
        Some(output) => Either::Left(std::future::ready(output)),
        None => Either::Right(future),
    }
}

/// Awaits all, starting with the last one: when that is ready, usually all are, and the task is
/// woken once instead of once per message.
async fn all<F>(publishes: Vec<F>) -> lapin::Result<Vec<lapin::PublisherConfirm>>
where
    F: Future<Output = lapin::Result<lapin::PublisherConfirm>>,
{
    let mut confirms = Vec::with_capacity(publishes.len());
    let mut publishes = publishes.into_iter().rev();
    while let Some(publish) = publishes.next() {
        match publish.await {
            Ok(confirm) => confirms.push(confirm),
            Err(error) => return Err(close_reason(publishes).await.unwrap_or(error)),
        }
    }
    confirms.reverse();
    Ok(confirms)
}

/// Why the broker closed the channel in the middle of a batch. lapin reports the reason for
/// messages that were already sent; for later ones it reports only that the channel is closed.
async fn close_reason<F>(publishes: impl Iterator<Item = F>) -> Option<lapin::Error>
where
    F: Future<Output = lapin::Result<lapin::PublisherConfirm>>,
{
    for publish in publishes {
        let confirmed = async { publish.await?.await };
        if let Err(error) = confirmed.await
            && error.is_amqp_error()
        {
            return Some(error);
        }
    }
    None
}

async fn publish(
    channel: &Channel,
    topology: &Topology,
    publication: &Publication,
) -> lapin::Result<lapin::PublisherConfirm> {
    let (exchange, routing_key) = address(&publication.target, topology);
    // Mandatory: the broker returns a message that is routed to no queue. RabbitMQ does not
    // implement `immediate`.
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let properties = properties::to_lapin(&publication.properties);
    channel
        .basic_publish(
            exchange.as_ref().into(),
            routing_key.as_ref().into(),
            options,
            &publication.body,
            properties,
        )
        .await
}

/// Exchange and routing key; the default exchange routes by queue name.
fn address<'a>(target: &'a Target, topology: &'a Topology) -> (Cow<'a, str>, Cow<'a, str>) {
    match target {
        Target::Commands { routing_key } => {
            (topology.commands_exchange.as_str().into(), routing_key.into())
        }
        Target::Partition { routing_key } => {
            (topology.partition_exchange().into(), routing_key.into())
        }
        Target::Events { routing_key } => {
            (topology.events_exchange.as_str().into(), routing_key.into())
        }
        Target::DeadLetters { routing_key } => {
            (topology.dead_letter_exchange.as_str().into(), routing_key.into())
        }
        Target::Queue { name } => ("".into(), name.into()),
        Target::Retry { attempt } => ("".into(), topology.retry_queue(*attempt).into()),
    }
}

/// Identifies a returned message among those of its batch.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    exchange: String,
    routing_key: String,
    message_id: Option<String>,
}

impl Identity {
    pub(super) fn of(publication: &Publication, topology: &Topology) -> Self {
        let (exchange, routing_key) = address(&publication.target, topology);
        Self {
            exchange: exchange.into_owned(),
            routing_key: routing_key.into_owned(),
            message_id: publication.properties.message_id.clone(),
        }
    }

    pub(super) fn of_returned(returned: &BasicReturnMessage) -> Self {
        let message_id = returned.properties.message_id().as_ref();
        Self {
            exchange: returned.exchange.as_str().to_owned(),
            routing_key: returned.routing_key.as_str().to_owned(),
            message_id: message_id.map(|id| id.as_str().to_owned()),
        }
    }
}
