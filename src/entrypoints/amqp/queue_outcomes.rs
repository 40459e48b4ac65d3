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
    /// The lane's number.
    pub lane: usize,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    /// Attempts at a message that names an order which does not exist, at least 1.
    pub max_attempts: u32,
    pub channel_epoch: ChannelEpoch,
    pub settlements: AckSender,
    /// At least one, each with its share of the orders.
    pub event_publishers: Vec<mpsc::Sender<PublishBatch>>,
    pub copies: mpsc::UnboundedSender<Vec<Republish>>,
    pub replies: ReplySender,
    pub in_flight: InFlight,
}

impl OutcomeSink for QueueOutcomes {
    type Origin = Delivery;

    const SOURCE: Source = Source::Queue;

    /// The broker will deliver a stale message again: handling this copy could only make a duplicate.
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
            self.metrics.messages.handled(Source::Queue, handled.kind, &handled.outcome);
        }
        // Without a source, the broker delivers the messages again, and the inbox knows them.
        let _ = self.settlements.send(acks);
        if !copies.is_empty() {
            // It ends only with the worker.
            let _ = self.copies.send(copies);
        }
    }

    /// Passes each event to the publisher of its order, so that the events of an order stay in order. A
    /// publisher that is full slows the lane down: the broker accepts less than the lane handles.
    async fn publish(&mut self, messages: Vec<OutboxMessage>, committed_at: Instant) {
        let mut shares: Vec<Vec<OutboxMessage>> =
            self.event_publishers.iter().map(|_| Vec::new()).collect();
        for message in messages {
            if !message.kind.is_event() {
                if let Err(key) = self.replies.send_stored(self.lane, message) {
                    self.in_flight.leave([key.event_id]);
                }
                continue;
            }
            // Salted: the hash of the order id alone is the same for all orders of a lane.
            let publisher = hash_partition(("publisher", &message.key.order_id), shares.len());
            shares[publisher].push(message);
        }
        for (publisher, events) in self.event_publishers.iter().zip(shares) {
            if !events.is_empty() {
                // It ends only with the worker.
                let _ = publisher.send(PublishBatch { events, committed_at, room: None }).await;
            }
        }
    }
}

impl QueueOutcomes {
    /// The copy that must be confirmed before the message is acknowledged, and the reply to send then.
    /// None for a message to be acknowledged at once. The outcome of a message without attempts left
    /// becomes the dead letter.
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
            self.metrics.messages.done_after(now.timestamp().saturating_sub(sent_at));
        }
    }
}
