//! Settles the deliveries of a lane: acknowledge, retry later, or dead-letter.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::disposition::{Disposition, dispose};
use super::hash_partition::hash_partition;
use super::{outcome_log, republish};
use crate::entrypoints::lane::{Handled, OutcomeSink};
use crate::messages::{OutboxMessage, Outcome, Publication};
use crate::metrics::{Metrics, Source};
use crate::service_layer::{
    AckSender, ChannelEpoch, Clock, Delivery, InFlight, OnConfirm, PublishBatch, ReplySender,
    Republish, Settlement,
};

/// The outcomes of one lane's deliveries.
#[derive(Debug)]
pub struct QueueOutcomes {
    /// The number of the lane.
    pub lane: usize,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    /// Maximum attempts at a command for an order that does not exist, at least 1.
    pub max_attempts: u32,
    pub channel_epoch: ChannelEpoch,
    pub settlements: AckSender,
    /// At least one, each for a share of the orders.
    pub event_publishers: Vec<mpsc::Sender<PublishBatch>>,
    pub copies: mpsc::UnboundedSender<Vec<Republish>>,
    pub replies: ReplySender,
    pub in_flight: InFlight,
}

impl OutcomeSink for QueueOutcomes {
    type Origin = Delivery;

    const SOURCE: Source = Source::Queue;

    /// The broker will redeliver a stale message, so processing it now would only cause a duplicate.
    fn is_awaited(&self, delivery: &Delivery) -> bool {
        !self.channel_epoch.is_stale(delivery.tag)
    }

    fn settle(&mut self, batch: Vec<Handled<Delivery>>) {
        let now = self.clock.now();
        let (mut acks, mut copies) = (Vec::with_capacity(batch.len()), Vec::new());
        for mut handled in batch {
            let tag = handled.origin.tag;
            let reservation = handled.origin.reservation.take();
            let sent_at = handled.origin.envelope.properties.timestamp;
            match self.copy_of(&mut handled, now) {
                None => {
                    acks.push(Settlement::Ack(tag));
                    self.count_end_to_end(sent_at, now);
                }
                Some((copy, reply)) => {
                    let dead_letter = handled.outcome.dead_letter_code();
                    let details = OnConfirm { dead_letter, reply };
                    copies.push(Republish { copy, tag, reservation, details });
                }
            }
            self.metrics.commands.handled(Source::Queue, handled.kind, &handled.outcome);
        }
        // If the source has ended, the broker redelivers the messages, and the inbox detects the
        // duplicates.
        let _ = self.settlements.send(acks);
        if !copies.is_empty() {
            // Fails only when the worker is ending.
            let _ = self.copies.send(copies);
        }
    }

    /// Passes each event to the publisher of its order, so that the events of an order stay in
    /// order. Waits while that publisher's queue is full, which slows the lane down to the speed of
    /// the broker.
    async fn publish(&mut self, messages: Vec<OutboxMessage>, committed_at: Instant) {
        let mut shares: Vec<Vec<OutboxMessage>> =
            self.event_publishers.iter().map(|_| Vec::new()).collect();
        for message in messages {
            if !message.kind.is_event() {
                if let Err(key) = self.replies.send_stored(self.lane, message) {
                    self.in_flight.leave_to_relay([key.event_id]);
                }
                continue;
            }
            // Salted, as the hash of the order id has chosen the lane: all its orders could have
            // one publisher.
            let publisher = hash_partition(("publisher", &message.key.order_id), shares.len());
            shares[publisher].push(message);
        }
        for (publisher, events) in self.event_publishers.iter().zip(shares) {
            if !events.is_empty() {
                // Fails only when the worker is ending.
                let _ =
                    publisher.send(PublishBatch { events, committed_at, reservation: None }).await;
            }
        }
    }
}

impl QueueOutcomes {
    /// The copy that must be confirmed before the message is acknowledged, and the reply to send
    /// then. `None` if it can be acknowledged at once. If there are no attempts left, the outcome
    /// is changed to dead-lettered.
    fn copy_of(
        &self,
        handled: &mut Handled<Delivery>,
        now: DateTime<Utc>,
    ) -> Option<(Publication, Option<Publication>)> {
        let properties = &handled.origin.envelope.properties;
        let message_id = handled.message_id.as_ref().map(ToString::to_string);
        let message_id = message_id.or_else(|| properties.message_id.clone());
        let failed = republish::failed_attempts(properties);
        let disposition = dispose(&handled.outcome, failed, self.max_attempts);
        if let Disposition::DeadLetter { reason, .. } = &disposition {
            handled.outcome = Outcome::DeadLetter(reason.clone());
        }
        outcome_log::log(handled.kind, message_id.as_deref(), &handled.outcome);
        match disposition {
            Disposition::Ack => None,
            Disposition::Retry { attempt } => {
                let envelope = std::mem::take(&mut handled.origin.envelope);
                Some((republish::retry(envelope, handled.kind, attempt), None))
            }
            Disposition::DeadLetter { reason, attempts } => {
                let correlation = properties.correlation_id.clone().or(message_id);
                let queue = properties.reply_to.clone().filter(|queue| !queue.is_empty());
                let reply = queue.and_then(|queue| {
                    Publication::reply_to(queue, &handled.outcome, correlation, now)
                });
                let envelope = std::mem::take(&mut handled.origin.envelope);
                Some((republish::dead_letter(envelope, &reason, attempts, now), reply))
            }
        }
    }

    fn count_end_to_end(&self, sent_at: Option<u64>, now: DateTime<Utc>) {
        if let Some(sent_at) = sent_at.and_then(|seconds| i64::try_from(seconds).ok()) {
            self.metrics.commands.observe_end_to_end(now.timestamp().saturating_sub(sent_at));
        }
    }
}
