//! Publishes copies of commands to a retry queue or to the dead letters. A command is acknowledged
//! when its copy is confirmed.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{
    AckSender, Backoff, ByteReservation, ChannelEpoch, DeliveryTag, Health, Publisher, ReplySender,
    Settlement, publish_window,
};
use crate::messages::{DeadLetterCode, Publication, PublishStatus};

/// Maximum copies that are published together.
const MAX_TOGETHER: usize = 500;

/// A copy of a command, and what to do when the copy is confirmed.
#[derive(Debug)]
pub struct Republish {
    pub copy: Publication,
    pub original: Original,
}

/// The original command: what happens to it when the copy is confirmed.
#[derive(Debug)]
pub struct Original {
    /// Acknowledged.
    pub tag: DeliveryTag,
    /// Set if the copy is a dead letter; counted.
    pub dead_letter: Option<DeadLetterCode>,
    /// Sent, without delaying the acknowledgement.
    pub reply: Option<Publication>,
    /// The command's share of the byte budget; released.
    pub reservation: Option<ByteReservation>,
}

/// Publishes the copies of all lanes. A copy that is not confirmed is retried with increasing
/// delays; the others are not affected.
#[derive(Debug)]
pub struct Republisher {
    pub publisher: Box<dyn Publisher>,
    pub health: Health,
    pub settlements: AckSender,
    pub channel_epoch: ChannelEpoch,
    pub replies: ReplySender,
    /// The copies of one batch each. Unbounded, so that no lane waits here; the prefetch limits their
    /// number, as each copy belongs to an unacknowledged delivery.
    pub copies: mpsc::UnboundedReceiver<Vec<Republish>>,
}

/// Copies that were not confirmed.
#[derive(Debug)]
struct Waiting {
    copies: Vec<Republish>,
    retry_at: Instant,
    backoff: Backoff,
}

impl Republisher {
    /// Runs until the lanes have ended, then tries each remaining copy once more. Commands whose
    /// copies are not confirmed stay unacknowledged, and the broker redelivers them.
    pub async fn run(mut self) {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        let mut waiting = Waiting { copies: Vec::new(), retry_at: Instant::now(), backoff };
        loop {
            let retry = sleep_until(waiting.retry_at);
            let mut copies = tokio::select! {
                biased;
                received = self.copies.recv() => match received {
                    Some(copies) => copies,
                    None => break,
                },
                () = retry, if !waiting.copies.is_empty() => Vec::new(),
            };
            copies.extend(waiting.due(&self.channel_epoch));
            let kept = self.publish_all(copies).await;
            waiting.add(kept);
        }
        let left = self.publish_all(waiting.take(&self.channel_epoch)).await.len();
        if left > 0 {
            tracing::warn!(
                copies = left,
                "Copies of commands were not confirmed before shutdown; the broker will redeliver the commands"
            );
        }
    }

    /// Publishes copies and acknowledges the originals of the confirmed ones. Returns the others.
    async fn publish(&mut self, copies: Vec<Republish>) -> Vec<Republish> {
        let parts = |Republish { copy, original }| (copy, original);
        let (window, originals): (Vec<_>, Vec<_>) = copies.into_iter().map(parts).unzip();
        let statuses = publish_window(&mut *self.publisher, &self.health, &window).await;
        let mut acks = Vec::with_capacity(originals.len());
        let mut kept = Vec::new();
        for ((copy, original), status) in window.into_iter().zip(originals).zip(statuses) {
            if status == PublishStatus::Confirmed {
                acks.push(Settlement::Ack(original.tag));
                self.on_confirmed(original);
            } else {
                self.health.record_copy_failure(&copy.target, status);
                kept.push(Republish { copy, original });
            }
        }
        // If the source has ended, the broker redelivers the commands: duplicates, but no loss.
        let _ = self.settlements.send(acks);
        kept
    }

    /// Publishes any number of copies, in chunks; see [`publish`](Self::publish).
    async fn publish_all(&mut self, mut copies: Vec<Republish>) -> Vec<Republish> {
        let mut kept = Vec::new();
        while !copies.is_empty() {
            let rest = copies.split_off(copies.len().min(MAX_TOGETHER));
            kept.extend(self.publish(copies).await);
            copies = rest;
        }
        kept
    }

    fn on_confirmed(&self, Original { dead_letter, reply, .. }: Original) {
        if let Some(code) = dead_letter {
            self.health.metrics().publishing.dead_lettered(code);
        }
        if let Some(reply) = reply {
            self.replies.send(reply);
        }
    }
}

impl Waiting {
    /// The copies, if their retry is due.
    fn due(&mut self, channel_epoch: &ChannelEpoch) -> Vec<Republish> {
        if self.retry_at > Instant::now() { Vec::new() } else { self.take(channel_epoch) }
    }

    /// All copies, without those of stale deliveries: after each reconnect, these would add up to
    /// as many copies as the prefetch allows.
    fn take(&mut self, channel_epoch: &ChannelEpoch) -> Vec<Republish> {
        self.copies.retain(|it| !channel_epoch.is_stale(it.original.tag));
        std::mem::take(&mut self.copies)
    }

    fn add(&mut self, kept: Vec<Republish>) {
        if kept.is_empty() && self.copies.is_empty() {
            self.backoff.reset();
        } else if !kept.is_empty() && self.retry_at <= Instant::now() {
            self.retry_at = Instant::now() + self.backoff.next_wait();
        }
        self.copies.extend(kept);
    }
}
