//! The messages of one window on their way to the broker.

use std::borrow::Cow;
use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::Either;
use lapin::Channel;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;

use super::{Topology, properties};
use crate::service_layer::{Publication, Target};

/// Starts to publish a window; the confirms are still to come.
pub(super) async fn start_publishing(
    channel: &Channel,
    topology: &Topology,
    window: &[Publication],
) -> lapin::Result<Vec<lapin::PublisherConfirm>> {
    // Started together, the publishes share their writes to the socket, in their order.
    let publish = |publication| started(publish(channel, topology, publication));
    all(window.iter().map(publish).collect()).await
}

/// Gives the future its first turn. What is left to await it is small and can be moved.
fn started<F: Future>(future: F) -> impl Future<Output = F::Output> + Unpin {
    let mut future = Box::pin(future);
    match future.as_mut().now_or_never() {
        Some(output) => Either::Left(std::future::ready(output)),
        None => Either::Right(future),
    }
}

/// Awaits all, the last one first: when it is ready, as a rule all are, and the task was woken once
/// and not for each of them.
async fn all<F>(publishes: Vec<F>) -> lapin::Result<Vec<lapin::PublisherConfirm>>
where
    F: Future<Output = lapin::Result<lapin::PublisherConfirm>>,
{
    let mut confirms = Vec::with_capacity(publishes.len());
    let mut publishes = publishes.into_iter().rev();
    while let Some(publish) = publishes.next() {
        match publish.await {
            Ok(confirm) => confirms.push(confirm),
            Err(error) => return Err(answer_to(publishes).await.unwrap_or(error)),
        }
    }
    confirms.reverse();
    Ok(confirms)
}

/// Why the broker closed the channel in the middle of a window. The client tells it to the messages that
/// were on their way by then; for those that came later the channel is merely closed.
async fn answer_to<F>(publishes: impl Iterator<Item = F>) -> Option<lapin::Error>
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
    // Mandatory: the broker says so when no queue takes the message. Immediate is not implemented
    // by RabbitMQ.
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

/// Exchange and routing key; the nameless exchange routes by the name of the queue.
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

/// What a returned message is known by.
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
