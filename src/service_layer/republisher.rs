//! Publishes copies of commands that are not done with, to a retry queue or to the dead letters; the
//! broker gets the acknowledgement of a command when its copy is safe.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::copy_publisher::{CommandCopy, CopyPublisher, MAX_COPIES_TOGETHER};
use super::{Backoff, ReplySender};
use crate::messages::{DeadLetterCode, Publication};

/// The copy of a command for a retry queue or the dead letters.
pub type Republish = CommandCopy<OnConfirm>;

/// What the confirm of a copy leads to besides the acknowledgement.
#[derive(Debug)]
pub struct OnConfirm {
    /// What the command becomes with it, if it makes a dead letter of it.
    pub dead_letter: Option<DeadLetterCode>,
    /// Sent then; the acknowledgement does not wait for it.
    pub reply: Option<Publication>,
}

/// Publishes the copies of all lanes, each judged by itself: one that is not taken is tried again with
/// a growing pause, while the others are acknowledged.
#[derive(Debug)]
pub struct Republisher {
    pub publisher: CopyPublisher,
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
            copies.extend(waiting.due(&self.publisher));
            let kept = self.publish_all(copies).await;
            waiting.add(kept);
        }
        let left = self.publish_all(waiting.take(&self.publisher)).await.len();
        if left > 0 {
            tracing::warn!(
                copies = left,
                "Copies of commands were not taken before the end: the broker hands out the commands again"
            );
        }
    }

    /// Publishes copies and settles those that were taken; the others are returned.
    async fn publish_all(&mut self, mut copies: Vec<Republish>) -> Vec<Republish> {
        let mut kept = Vec::new();
        while !copies.is_empty() {
            let rest = copies.split_off(copies.len().min(MAX_COPIES_TOGETHER));
            let (confirmed, not_taken) = self.publisher.publish(copies).await;
            confirmed.into_iter().for_each(|it| self.note_confirmed(it));
            kept.extend(not_taken);
            copies = rest;
        }
        kept
    }

    fn note_confirmed(&self, OnConfirm { dead_letter, reply }: OnConfirm) {
        if let Some(code) = dead_letter {
            self.publisher.health.metrics().publishing.dead_lettered(code);
        }
        if let Some(reply) = reply {
            self.replies.send(reply);
        }
    }
}

impl Waiting {
    /// What is to be tried again now.
    fn due(&mut self, publisher: &CopyPublisher) -> Vec<Republish> {
        if self.retry_at > Instant::now() { Vec::new() } else { self.take(publisher) }
    }

    /// All that waits. Copies of messages that the broker has again are forgotten: else each new
    /// channel would bring as many copies more as the prefetch allows.
    fn take(&mut self, publisher: &CopyPublisher) -> Vec<Republish> {
        self.copies.retain(|copy| !publisher.is_stale(copy));
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
