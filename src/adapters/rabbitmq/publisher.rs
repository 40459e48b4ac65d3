//! Publishes batches of messages with publisher confirms.
//!
//! A batch is split where it has many messages for slow targets, and halved when the broker closes
//! the channel because of one of its messages, until that message is found.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lapin::message::BasicReturnMessage;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};

use super::RabbitMq;
use super::confirms::{Confirms, unless_blocked};
use super::errors::{RPC_TIMEOUT, RabbitError, publishing_error, within};
use super::publish_batch::{Identity, send_batch};
use crate::kill_points;
use crate::messages::{Publication, PublishStatus, Target};
use crate::service_layer::{Cooldown, LogThrottle, PublishError, Publisher};

/// Timeout for the confirms of a batch. Time during which the connection is blocked does not count.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// The same for a batch of replies, which may be lost.
const REPLY_CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a batch waits for slow targets after all others are confirmed.
const SLOW_TARGET_TIMEOUT: Duration = Duration::from_millis(250);

/// Maximum number of messages for slow targets on one channel. After about 400 unconfirmed messages
/// for a queue that accepts nothing, flow control makes the broker stop reading from the whole
/// connection.
const MAX_FOR_SLOW_TARGETS: usize = 200;

/// Publishes on its own channel, one batch at a time.
#[derive(Debug)]
pub struct RabbitPublisher {
    broker: RabbitMq,
    open: Option<(Arc<Connection>, Channel)>,
    /// The connection on which the topology was declared or verified.
    verified: Option<Arc<Connection>>,
    /// Counts messages because of which the broker closed the channel.
    refused: LogThrottle,
}

impl RabbitPublisher {
    pub(super) fn new(broker: RabbitMq) -> Self {
        Self { broker, open: None, verified: None, refused: LogThrottle::default() }
    }

    /// The channel in confirm mode. Opens one if needed, and on a new connection ensures the
    /// topology first.
    async fn channel(&mut self) -> Result<(Arc<Connection>, Channel), RabbitError> {
        if let Some((connection, channel)) = &self.open
            && channel.status().connected()
        {
            return Ok((connection.clone(), channel.clone()));
        }
        let (connection, channel) = self.broker.publishing_channel().await?;
        if !self.verified.as_ref().is_some_and(|verified| Arc::ptr_eq(verified, &connection)) {
            self.broker.ensure_topology(&connection).await?;
        }
        within(RPC_TIMEOUT, channel.confirm_select(ConfirmSelectOptions::default())).await?;
        self.open = Some((connection.clone(), channel.clone()));
        self.verified = Some(connection.clone());
        Ok((connection, channel))
    }

    async fn publish_on(
        &self,
        (connection, channel): (&Arc<Connection>, &Channel),
        batch: &[Publication],
    ) -> Result<Vec<PublishStatus>, RabbitError> {
        let topology = &self.broker.topology;
        let slow = self.slow_positions(batch);
        let publishing = send_batch(channel, topology, batch);
        let Some(confirms) = unless_blocked(connection, CONFIRM_TIMEOUT, publishing).await? else {
            self.note_slow_targets(batch, std::iter::repeat(None));
            self.broker.drop_publishing(connection).await;
            return Err(RabbitError::Unavailable(
                "the broker does not read from the connection".to_owned(),
            ));
        };
        let mut confirms = Confirms::new(confirms);
        kill_points::reached("published");
        let returned = self.wait(connection, batch, slow.as_deref(), &mut confirms).await?;
        // lapin may attach a returned message to the confirm of another one, so returns are matched
        // by exchange, routing key and message id. Messages without an id that share exchange and
        // routing key are routed alike, so one return stands for all of them.
        let returned: HashSet<Identity> = returned.iter().map(Identity::of_returned).collect();
        let status = |(publication, ack): (&Publication, Option<bool>)| match ack {
            None => PublishStatus::Unconfirmed,
            Some(false) => PublishStatus::Refused,
            Some(true) if returned.is_empty() => PublishStatus::Confirmed,
            Some(true) if returned.contains(&Identity::of(publication, topology)) => {
                PublishStatus::Unroutable
            }
            Some(true) => PublishStatus::Confirmed,
        };
        Ok(batch.iter().zip(confirms.acks()).map(status).collect())
    }

    /// Waits for the confirms until their timeout; returns the messages that the broker returned.
    async fn wait(
        &self,
        connection: &Connection,
        batch: &[Publication],
        slow: Option<&[bool]>,
        confirms: &mut Confirms,
    ) -> Result<Vec<BasicReturnMessage>, RabbitError> {
        let mut returned = Vec::new();
        let is_slow = |position: usize| slow.is_some_and(|slow| slow[position]);
        let others = confirms.wait_for(|position| !is_slow(position), &mut returned);
        let mut is_complete =
            unless_blocked(connection, confirm_timeout(batch), others).await?.is_some();
        if slow.is_some() {
            let rest = confirms.wait_for(is_slow, &mut returned);
            is_complete &= unless_blocked(connection, SLOW_TARGET_TIMEOUT, rest).await?.is_some();
        }
        if !is_complete {
            confirms.take_ready(&mut returned).map_err(|error| publishing_error(&error))?;
        }
        if !is_complete || slow.is_some() {
            self.note_slow_targets(batch, confirms.acks());
        }
        Ok(returned)
    }

    /// Which messages are for slow targets; `None` if there are none.
    fn slow_positions(&self, batch: &[Publication]) -> Option<Vec<bool>> {
        let slow_targets = self.slow_targets();
        if slow_targets.is_empty() {
            return None;
        }
        let slow: Vec<bool> =
            batch.iter().map(|publication| slow_targets.contains(&publication.target)).collect();
        slow.contains(&true).then_some(slow)
    }

    /// Adds targets whose confirm did not come, and removes those that confirmed. Of several
    /// messages for a target the last one counts: it may have stopped accepting messages within the
    /// batch.
    fn note_slow_targets(&self, batch: &[Publication], acks: impl Iterator<Item = Option<bool>>) {
        let mut slow_targets = self.slow_targets();
        for (Publication { target, .. }, ack) in batch.iter().zip(acks) {
            match ack {
                Some(_) => slow_targets.end(target),
                None => slow_targets.start(target.clone()),
            }
        }
    }

    fn slow_targets(&self) -> MutexGuard<'_, Cooldown<Target>> {
        self.broker.slow_targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The length of the longest prefix with at most [`MAX_FOR_SLOW_TARGETS`] messages for slow
    /// targets.
    fn chunk_length(&self, batch: &[Publication]) -> usize {
        let slow = self.slow_positions(batch).unwrap_or_default();
        let mut slow_positions = (0..slow.len()).filter(|position| slow[*position]);
        slow_positions.nth(MAX_FOR_SLOW_TARGETS).unwrap_or(batch.len())
    }

    /// Publishes a batch in as few chunks as possible. A chunk that makes the broker close the
    /// channel is halved until the refused message is alone; each of the others is published at
    /// most once more per halving.
    async fn publish_in_chunks(
        &mut self,
        batch: &[Publication],
    ) -> Result<Vec<PublishStatus>, RabbitError> {
        let mut statuses = Vec::with_capacity(batch.len());
        let mut chunks = vec![batch];
        while let Some(chunk) = chunks.pop() {
            let (chunk, rest) = chunk.split_at(self.chunk_length(chunk));
            if !rest.is_empty() {
                chunks.push(rest);
            }
            match (self.publish_chunk(chunk).await, chunk) {
                (Err(RabbitError::MessageRefused(reason)), [publication]) => {
                    self.log_refused(&publication.target, &reason);
                    statuses.push(PublishStatus::Refused);
                }
                (Err(RabbitError::MessageRefused(_)), _) => {
                    let (first, second) = chunk.split_at(chunk.len() / 2);
                    chunks.extend([second, first]);
                }
                (published, _) => statuses.append(&mut published?),
            }
        }
        Ok(statuses)
    }

    fn log_refused(&self, target: &Target, reason: &str) {
        if let Some(messages) = self.refused.add(1) {
            let to = target.name();
            tracing::warn!(%to, reason, messages, "The broker closed the channel because of a message");
        }
    }

    async fn publish_chunk(
        &mut self,
        chunk: &[Publication],
    ) -> Result<Vec<PublishStatus>, RabbitError> {
        let (connection, channel) = self.channel().await?;
        // After an error, or if this future is dropped, the channel is not used again: its late
        // confirms and returns would be taken for those of another batch.
        let (open, verified) = (self.open.take(), self.verified.take());
        let published = self.publish_on((&connection, &channel), chunk).await;
        if let Err(RabbitError::MessageRefused(_)) = published {
            self.verified = verified;
            return published;
        }
        let statuses = published?;
        let is_queue_missing = chunk.iter().zip(&statuses).any(|(publication, status)| {
            *status == PublishStatus::Unroutable && is_declared(&publication.target)
        });
        if is_queue_missing {
            return Ok(statuses);
        }
        self.verified = verified;
        if statuses.contains(&PublishStatus::Unconfirmed) {
            // If the broker replies on this connection, it has read everything that was sent
            // before, and the queues that accept messages have them. If not, the batch has to be
            // published again.
            let (current, _) = self.channel().await?;
            if !Arc::ptr_eq(&current, &connection) {
                return Err(RabbitError::Unavailable("the connection was replaced".to_owned()));
            }
        } else {
            self.open = open;
        }
        Ok(statuses)
    }

    fn is_for_own_queue(&self, publication: &Publication) -> bool {
        matches!(&publication.target, Target::Queue { name } if self.broker.topology.is_own_queue(name))
    }
}

#[async_trait]
impl Publisher for RabbitPublisher {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        let broker = self.broker.clone();
        let failed = |error: RabbitError| {
            if matches!(error, RabbitError::FrameTooLarge(_)) {
                broker.use_large_frames();
            }
            PublishError(error.to_string())
        };
        let is_own: Vec<bool> = window.iter().map(|it| self.is_for_own_queue(it)).collect();
        if !is_own.contains(&true) {
            return self.publish_in_chunks(window).await.map_err(failed);
        }
        let others: Vec<Publication> = window
            .iter()
            .zip(&is_own)
            .filter(|(_, is_own)| !**is_own)
            .map(|(publication, _)| publication.clone())
            .collect();
        let mut statuses = self.publish_in_chunks(&others).await.map_err(failed)?.into_iter();
        let status = |is_own| {
            let published = if is_own { None } else { statuses.next() };
            published.unwrap_or(PublishStatus::OwnQueue)
        };
        Ok(is_own.into_iter().map(status).collect())
    }
}

/// Whether the worker declares the queue behind a target. If it is missing, the topology is ensured
/// again before the next batch.
fn is_declared(target: &Target) -> bool {
    match target {
        Target::Commands { .. }
        | Target::Partition { .. }
        | Target::Retry { .. }
        | Target::DeadLetters { .. } => true,
        Target::Events { .. } | Target::Queue { .. } => false,
    }
}

fn confirm_timeout(batch: &[Publication]) -> Duration {
    let is_reply = |publication: &Publication| matches!(publication.target, Target::Queue { .. });
    if batch.iter().all(is_reply) { REPLY_CONFIRM_TIMEOUT } else { CONFIRM_TIMEOUT }
}
