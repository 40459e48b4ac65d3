//! Publishing windows of messages with confirms.

use std::borrow::Cow;
use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Either;
use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection};

use super::connection::{ANSWER_TIMEOUT, RabbitError, trouble, within};
use super::{RabbitMq, Topology, properties};
use crate::kill_points;
use crate::service_layer::{Confirmation, Publication, PublishError, Publisher, Target};

/// Longest wait for the confirms of a window, the time of a blocked connection not counted.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// Publishes on a channel of its own; one window at a time.
#[derive(Debug)]
pub struct RabbitPublisher {
    broker: RabbitMq,
    open: Option<(Arc<Connection>, Channel)>,
}

impl RabbitPublisher {
    pub(super) fn new(broker: RabbitMq) -> Self {
        Self { broker, open: None }
    }

    /// The channel in confirm mode; after trouble a new one, once everything that is published to
    /// is there again.
    async fn channel(&mut self) -> Result<(Arc<Connection>, Channel), RabbitError> {
        if let Some((connection, channel)) = &self.open
            && channel.status().connected()
        {
            return Ok((connection.clone(), channel.clone()));
        }
        let (connection, channel) = self.broker.publishing_channel().await?;
        self.broker.ensure_topology(&connection).await?;
        within(ANSWER_TIMEOUT, channel.confirm_select(ConfirmSelectOptions::default())).await?;
        self.open = Some((connection.clone(), channel.clone()));
        Ok((connection, channel))
    }
}

impl Publisher for RabbitPublisher {
    async fn publish(&mut self, window: &[Publication]) -> Result<Vec<Confirmation>, PublishError> {
        let broker = self.broker.clone();
        let failed = |error: RabbitError| {
            if matches!(error, RabbitError::FrameTooLarge(_)) {
                broker.call_for_large_frames();
            }
            PublishError(error.to_string())
        };
        let (connection, channel) = self.channel().await.map_err(failed)?;
        // Should anything go wrong, or this future be dropped, the channel is not used again: its
        // late confirms and returns would be taken for those of another window.
        let open = self.open.take();
        let published = publish_window(&channel, &self.broker.topology, window);
        let confirmations = unless_blocked(&connection, published).await.map_err(failed)?;
        let lacks_a_queue = window.iter().zip(&confirmations).any(|(publication, confirmation)| {
            *confirmation == Confirmation::Unroutable && is_ours(&publication.target)
        });
        if !lacks_a_queue {
            self.open = open;
        }
        Ok(confirmations)
    }
}

/// Whether the queue behind a target is one that the worker declares: if it is missing, the next
/// window begins with declaring it anew.
fn is_ours(target: &Target) -> bool {
    match target {
        Target::Commands { .. } | Target::Retry { .. } | Target::DeadLetters { .. } => true,
        Target::Events { .. } | Target::Queue { .. } => false,
    }
}

/// Awaits the answer, for at most [`CONFIRM_TIMEOUT`] at a stretch. While the broker blocks the
/// connection, waits on: the messages are on their way, and publishing them again would only add to
/// what the broker has too much of.
async fn unless_blocked<T>(
    connection: &Connection,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, RabbitError> {
    let mut answer = pin!(answer);
    loop {
        match tokio::time::timeout(CONFIRM_TIMEOUT, answer.as_mut()).await {
            Ok(answer) => {
                return answer.map_err(|error| trouble(&error));
            }
            Err(_) if connection.status().blocked() => {
                tracing::warn!(
                    "The broker blocks publishing (memory or disk alarm), still waiting"
                );
            }
            Err(_) => {
                let seconds = CONFIRM_TIMEOUT.as_secs();
                return Err(RabbitError::Unavailable(format!("no confirm within {seconds} s")));
            }
        }
    }
}

async fn publish_window(
    channel: &Channel,
    topology: &Topology,
    window: &[Publication],
) -> lapin::Result<Vec<Confirmation>> {
    // Started together, the publishes share their writes to the socket, in their order.
    let publish = |publication| started(publish(channel, topology, publication));
    let confirms = all(window.iter().map(publish).collect()).await?;
    kill_points::reached("published");
    let confirmations = all(confirms).await?;
    let acked: Vec<bool> = confirmations.iter().map(lapin::Confirmation::is_ack).collect();
    // A returned message may hang on the confirm of a neighbour, so returns are judged by what they
    // carry. Exchange and routing key decide whether there is a queue, so messages that share these
    // and have no id share their fate.
    let returned: HashSet<Identity> = confirmations
        .into_iter()
        .filter_map(lapin::Confirmation::take_message)
        .map(|returned| Identity::of_returned(&returned))
        .collect();
    let judge = |(publication, acked): (&Publication, bool)| match acked {
        false => Confirmation::Refused,
        true if returned.is_empty() => Confirmation::Confirmed,
        true if returned.contains(&Identity::of(publication, topology)) => Confirmation::Unroutable,
        true => Confirmation::Confirmed,
    };
    Ok(window.iter().zip(acked).map(judge).collect())
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
async fn all<F, T>(futures: Vec<F>) -> lapin::Result<Vec<T>>
where
    F: Future<Output = lapin::Result<T>>,
{
    let mut results = Vec::with_capacity(futures.len());
    for future in futures.into_iter().rev() {
        results.push(future.await?);
    }
    results.reverse();
    Ok(results)
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
            exchange.into(),
            routing_key.as_ref().into(),
            options,
            &publication.body,
            properties,
        )
        .await
}

/// Exchange and routing key; the nameless exchange routes by the name of the queue.
fn address<'a>(target: &'a Target, topology: &'a Topology) -> (&'a str, Cow<'a, str>) {
    match target {
        Target::Commands { routing_key } => (&topology.commands_exchange, routing_key.into()),
        Target::Events { routing_key } => (&topology.events_exchange, routing_key.into()),
        Target::DeadLetters { routing_key } => (&topology.dead_letter_exchange, routing_key.into()),
        Target::Queue { name } => ("", name.into()),
        Target::Retry { attempt } => ("", topology.retry_queue(*attempt).into()),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Identity {
    exchange: String,
    routing_key: String,
    message_id: Option<String>,
}

impl Identity {
    fn of(publication: &Publication, topology: &Topology) -> Self {
        let (exchange, routing_key) = address(&publication.target, topology);
        Self {
            exchange: exchange.to_owned(),
            routing_key: routing_key.into_owned(),
            message_id: publication.properties.message_id.clone(),
        }
    }

    fn of_returned(returned: &BasicReturnMessage) -> Self {
        let message_id = returned.properties.message_id().as_ref();
        Self {
            exchange: returned.exchange.as_str().to_owned(),
            routing_key: returned.routing_key.as_str().to_owned(),
            message_id: message_id.map(|id| id.as_str().to_owned()),
        }
    }
}
