//! Publishes copies of commands to a retry queue or to the dead letters. A command is acknowledged
//! when its copy is confirmed.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::copy_publisher::{CommandCopy, CopyPublisher, MAX_COPIES_TOGETHER};
use super::{Backoff, ReplySender};
use crate::messages::{DeadLetterCode, Publication};

/// The copy of a command for a retry queue or the dead letters.
pub type Republish = CommandCopy<OnConfirm>;

/// What to do when the copy is confirmed, besides the acknowledgement.
#[derive(Debug)]
pub struct OnConfirm {
    /// Set if the copy is a dead letter; counted.
    pub dead_letter: Option<DeadLetterCode>,
    /// Sent, without delaying the acknowledgement.
    pub reply: Option<Publication>,
}

/// Publishes the copies of all lanes. A copy that is not confirmed is retried with increasing
/// delays; the others are not affected.
#[derive(Debug)]
pub struct Republisher {
    pub publisher: CopyPublisher,
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
            copies.extend(waiting.due(&self.publisher));
            let kept = self.publish_all(copies).await;
            waiting.add(kept);
        }
        let left = self.publish_all(waiting.take(&self.publisher)).await.len();
        if left > 0 {
            tracing::warn!(
                copies = left,
                "Copies of commands were not confirmed before shutdown; the broker will redeliver the commands"
            );
        }
    }

    /// Publishes copies in chunks and acknowledges the originals of the confirmed ones. Returns the
    /// others.
    async fn publish_all(&mut self, mut copies: Vec<Republish>) -> Vec<Republish> {
        let mut kept = Vec::new();
        while !copies.is_empty() {
            let rest = copies.split_off(copies.len().min(MAX_COPIES_TOGETHER));
            let (confirmed, not_taken) = self.publisher.publish(copies).await;
            for it in confirmed {
                self.on_confirmed(it);
            }
            kept.extend(not_taken);
            copies = rest;
        }
        kept
    }

    fn on_confirmed(&self, OnConfirm { dead_letter, reply }: OnConfirm) {
        if let Some(code) = dead_letter {
            self.publisher.health.metrics().publishing.dead_lettered(code);
        }
        if let Some(reply) = reply {
            self.replies.send(reply);
        }
    }
}

impl Waiting {
    /// The copies, if their retry is due.
    fn due(&mut self, publisher: &CopyPublisher) -> Vec<Republish> {
        if self.retry_at > Instant::now() { Vec::new() } else { self.take(publisher) }
    }

    /// All copies, without those of stale deliveries: after each reconnect, these would add up to
    /// as many copies as the prefetch allows.
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
