//! Publishes copies of commands that are not done with, to a retry queue or to the dead letters; the
//! broker gets the acknowledgement of a command when its copy is safe.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{
    AckSender, Backoff, ByteReservation, ChannelEpoch, DeliveryTag, Health, Publisher, ReplySender,
    Settlement, publish_window,
};
use crate::messages::{DeadLetterCode, Publication, PublishStatus};

/// Most copies that are published together.
const MAX_TOGETHER: usize = 500;

/// The copy of a command that is acknowledged once the copy is confirmed.
#[derive(Debug)]
pub struct Republish {
    pub copy: Publication,
    pub original: Original,
}

/// What happens when the copy is confirmed.
#[derive(Debug)]
pub struct Original {
    /// Acknowledged then.
    pub tag: DeliveryTag,
    /// What the command becomes with it, if it makes a dead letter of it.
    pub dead_letter: Option<DeadLetterCode>,
    /// Sent then; the acknowledgement does not wait for it.
    pub reply: Option<Publication>,
    /// The bytes that the command takes of the budget; given back then.
    pub reservation: Option<ByteReservation>,
}

/// Publishes the copies of all lanes, each judged by itself: one that is not taken is tried again with
/// a growing pause, while the others are acknowledged.
#[derive(Debug)]
pub struct Republisher {
    pub publisher: Box<dyn Publisher>,
    pub health: Health,
    pub settlements: AckSender,
    pub channel_epoch: ChannelEpoch,
    pub replies: ReplySender,
    /// Those of one batch at a time. No lane waits here, so the channel is not bounded by count: each
    /// copy stands for an unacknowledged delivery, and of those the prefetch allows only so many.
    pub copies: mpsc::UnboundedReceiver<Vec<Republish>>,
}

/// Copies that were not taken.
#[derive(Debug)]
struct Waiting {
    copies: Vec<Republish>,
    retry_at: Instant,
    backoff: Backoff,
}

impl Republisher {
    /// Runs until the lanes have ended and all that they left is published, or was tried once more. The
    /// commands whose copies are not taken then are not acknowledged: the broker hands them out again.
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
                "Copies of commands were not taken before the end: the broker hands out the commands again"
            );
        }
    }

    /// Publishes copies and settles those that were taken; the others are returned.
    async fn publish(&mut self, copies: Vec<Republish>) -> Vec<Republish> {
        let parts = |Republish { copy, original }| (copy, original);
        let (window, originals): (Vec<_>, Vec<_>) = copies.into_iter().map(parts).unzip();
        let statuses = publish_window(&mut *self.publisher, &self.health, &window).await;
        let mut acks = Vec::with_capacity(originals.len());
        let mut kept = Vec::new();
        for ((copy, original), status) in window.into_iter().zip(originals).zip(statuses) {
            if status == PublishStatus::Confirmed {
                acks.push(Settlement::Ack(original.tag));
                self.note_confirmed(original);
            } else {
                self.health.record_copy_failure(&copy.target, status);
                kept.push(Republish { copy, original });
            }
        }
        // Without a source to take them, the messages come again: a copy more, none less.
        let _ = self.settlements.send(acks);
        kept
    }

    /// The same, for any number of copies.
    async fn publish_all(&mut self, mut copies: Vec<Republish>) -> Vec<Republish> {
        let mut kept = Vec::new();
        while !copies.is_empty() {
            let rest = copies.split_off(copies.len().min(MAX_TOGETHER));
            kept.extend(self.publish(copies).await);
            copies = rest;
        }
        kept
    }

    fn note_confirmed(&self, Original { dead_letter, reply, .. }: Original) {
        if let Some(code) = dead_letter {
            self.health.metrics().publishing.dead_lettered(code);
        }
        if let Some(reply) = reply {
            self.replies.send(reply);
        }
    }
}

impl Waiting {
    /// What is to be tried again now.
    fn due(&mut self, channel_epoch: &ChannelEpoch) -> Vec<Republish> {
        if self.retry_at > Instant::now() { Vec::new() } else { self.take(channel_epoch) }
    }

    /// All that waits. Copies of messages that the broker has again are forgotten: else each new
    /// channel would bring as many copies more as the prefetch allows.
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
