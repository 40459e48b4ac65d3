//! Publishing windows of messages with confirms.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lapin::message::BasicReturnMessage;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};

use super::RabbitMq;
use super::confirms::{Confirms, unless_blocked};
use super::connection::{ANSWER_TIMEOUT, RabbitError, publishing_trouble, within};
use super::window::{Identity, start_publishing};
use crate::kill_points;
use crate::service_layer::{
    Cooldown, LogThrottle, Publication, PublishError, PublishStatus, Publisher, Target,
};

/// Longest wait for the confirms of a window, the time of a blocked connection not counted.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// The same for replies, which may be lost.
const REPLY_CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer a window waits for targets that did not confirm in time before.
const SLOW_TARGET_TIMEOUT: Duration = Duration::from_millis(250);

/// Most messages for slow targets on one channel: after some hundred to a queue that stands still, the
/// broker reads no more from the whole connection (its flow control, at about 400).
const MAX_SLOW: usize = 200;

/// Publishes on a channel of its own; one window at a time.
#[derive(Debug)]
pub struct RabbitPublisher {
    broker: RabbitMq,
    open: Option<(Arc<Connection>, Channel)>,
    /// On this connection, everything that is published to was there.
    prepared: Option<Arc<Connection>>,
    /// Messages over which the broker closed the channel.
    refused: LogThrottle,
}

impl RabbitPublisher {
    pub(super) fn new(broker: RabbitMq) -> Self {
        Self { broker, open: None, prepared: None, refused: LogThrottle::default() }
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
        if !self.prepared.as_ref().is_some_and(|prepared| Arc::ptr_eq(prepared, &connection)) {
            self.broker.ensure_topology(&connection).await?;
        }
        within(ANSWER_TIMEOUT, channel.confirm_select(ConfirmSelectOptions::default())).await?;
        self.open = Some((connection.clone(), channel.clone()));
        self.prepared = Some(connection.clone());
        Ok((connection, channel))
    }

    async fn publish_window(
        &self,
        (connection, channel): (&Arc<Connection>, &Channel),
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, RabbitError> {
        let topology = &self.broker.topology;
        let slow = self.slow_places(window);
        let publishing = start_publishing(channel, topology, window);
        let Some(confirms) = unless_blocked(connection, CONFIRM_TIMEOUT, publishing).await? else {
            self.note_slow_targets(window, std::iter::repeat(None));
            self.broker.abandon(connection).await;
            return Err(RabbitError::Unavailable("the broker reads nothing".to_owned()));
        };
        let mut confirms = Confirms::new(confirms);
        kill_points::reached("published");
        let returned = self.wait(connection, window, slow.as_deref(), &mut confirms).await?;
        // A returned message may hang on the confirm of a neighbour, so returns are judged by what they
        // carry. Exchange and routing key decide whether there is a queue, so messages that share these
        // and have no id share their fate.
        let returned: HashSet<Identity> = returned.iter().map(Identity::of_returned).collect();
        let judge = |(publication, ack): (&Publication, Option<bool>)| match ack {
            None => PublishStatus::Unconfirmed,
            Some(false) => PublishStatus::Refused,
            Some(true) if returned.is_empty() => PublishStatus::Confirmed,
            Some(true) if returned.contains(&Identity::of(publication, topology)) => {
                PublishStatus::Unroutable
            }
            Some(true) => PublishStatus::Confirmed,
        };
        Ok(window.iter().zip(confirms.acks()).map(judge).collect())
    }

    /// Waits for the confirms within their time; returns the messages that were returned.
    async fn wait(
        &self,
        connection: &Connection,
        window: &[Publication],
        slow: Option<&[bool]>,
        confirms: &mut Confirms,
    ) -> Result<Vec<BasicReturnMessage>, RabbitError> {
        let mut returned = Vec::new();
        let is_slow = |place: usize| slow.is_some_and(|slow| slow[place]);
        let others = confirms.wait_for(|place| !is_slow(place), &mut returned);
        let mut all_came =
            unless_blocked(connection, longest_wait(window), others).await?.is_some();
        if slow.is_some() {
            let rest = confirms.wait_for(is_slow, &mut returned);
            all_came &= unless_blocked(connection, SLOW_TARGET_TIMEOUT, rest).await?.is_some();
        }
        if !all_came {
            confirms.take_ready(&mut returned).map_err(|error| publishing_trouble(&error))?;
        }
        if !all_came || slow.is_some() {
            self.note_slow_targets(window, confirms.acks());
        }
        Ok(returned)
    }

    /// Which messages are for a target that did not confirm in time before; none if no one is.
    fn slow_places(&self, window: &[Publication]) -> Option<Vec<bool>> {
        let slow_targets = self.slow_targets();
        if slow_targets.is_empty() {
            return None;
        }
        let slow: Vec<bool> =
            window.iter().map(|publication| slow_targets.contains(&publication.target)).collect();
        slow.contains(&true).then_some(slow)
    }

    /// Remembers targets without a confirm, and forgets those that have one. Of several messages the
    /// last ones tell: a target that stands still was quick before.
    fn note_slow_targets(&self, window: &[Publication], acks: impl Iterator<Item = Option<bool>>) {
        let mut slow_targets = self.slow_targets();
        for (Publication { target, .. }, ack) in window.iter().zip(acks) {
            match ack {
                Some(_) => slow_targets.end(target),
                None => slow_targets.start(target.clone()),
            }
        }
    }

    fn slow_targets(&self) -> MutexGuard<'_, Cooldown<Target>> {
        self.broker.slow_targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of the first part of a window that has no more than [`MAX_SLOW`] messages for slow targets.
    fn end_of_part(&self, window: &[Publication]) -> usize {
        let slow = self.slow_places(window).unwrap_or_default();
        let mut slow_places = (0..slow.len()).filter(|place| slow[*place]);
        slow_places.nth(MAX_SLOW).unwrap_or(window.len())
    }

    /// Publishes a window in as few parts as can be. One that makes the broker close the channel is
    /// published in halves, until the message that the broker does not accept stands alone: each of the
    /// others is published once more for each halving, at most.
    async fn publish_foreign(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, RabbitError> {
        let mut statuses = Vec::with_capacity(window.len());
        let mut parts = vec![window];
        while let Some(part) = parts.pop() {
            let (part, rest) = part.split_at(self.end_of_part(part));
            if !rest.is_empty() {
                parts.push(rest);
            }
            match (self.publish_part(part).await, part) {
                (Err(RabbitError::MessageRefused(reason)), [publication]) => {
                    self.log_refused(&publication.target, &reason);
                    statuses.push(PublishStatus::Refused);
                }
                (Err(RabbitError::MessageRefused(_)), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                (published, _) => statuses.append(&mut published?),
            }
        }
        Ok(statuses)
    }

    fn log_refused(&self, target: &Target, reason: &str) {
        if let Some(messages) = self.refused.add(1) {
            let to = target.name();
            tracing::warn!(%to, reason, messages, "The broker closed the channel over a message");
        }
    }

    async fn publish_part(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, RabbitError> {
        let (connection, channel) = self.channel().await?;
        // Should anything go wrong, or this future be dropped, the channel is not used again: its
        // late confirms and returns would be taken for those of another window.
        let (open, prepared) = (self.open.take(), self.prepared.take());
        let published = self.publish_window((&connection, &channel), window).await;
        if let Err(RabbitError::MessageRefused(_)) = published {
            self.prepared = prepared;
            return published;
        }
        let statuses = published?;
        let lacks_a_queue = window.iter().zip(&statuses).any(|(publication, status)| {
            *status == PublishStatus::Unroutable && is_ours(&publication.target)
        });
        if lacks_a_queue {
            return Ok(statuses);
        }
        self.prepared = prepared;
        if statuses.contains(&PublishStatus::Unconfirmed) {
            // A broker that answers on this connection has read all that was sent before, so whoever
            // takes messages has them. Else the window has to be published again.
            let (present, _) = self.channel().await?;
            if !Arc::ptr_eq(&present, &connection) {
                return Err(RabbitError::Unavailable("the connection was given up".to_owned()));
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
                broker.call_for_large_frames();
            }
            PublishError(error.to_string())
        };
        let is_own: Vec<bool> = window.iter().map(|it| self.is_for_own_queue(it)).collect();
        if !is_own.contains(&true) {
            return self.publish_foreign(window).await.map_err(failed);
        }
        let foreign: Vec<Publication> = window
            .iter()
            .zip(&is_own)
            .filter(|(_, is_own)| !**is_own)
            .map(|(publication, _)| publication.clone())
            .collect();
        let mut statuses = self.publish_foreign(&foreign).await.map_err(failed)?.into_iter();
        let status = |is_own| {
            let published = if is_own { None } else { statuses.next() };
            published.unwrap_or(PublishStatus::OwnQueue)
        };
        Ok(is_own.into_iter().map(status).collect())
    }
}

/// Whether the queue behind a target is one that the worker declares: if it is missing, the next
/// window begins with declaring it anew.
fn is_ours(target: &Target) -> bool {
    match target {
        Target::Commands { .. }
        | Target::Partition { .. }
        | Target::Retry { .. }
        | Target::DeadLetters { .. } => true,
        Target::Events { .. } | Target::Queue { .. } => false,
    }
}

fn longest_wait(window: &[Publication]) -> Duration {
    let is_reply = |publication: &Publication| matches!(publication.target, Target::Queue { .. });
    if window.iter().all(is_reply) { REPLY_CONFIRM_TIMEOUT } else { CONFIRM_TIMEOUT }
}
