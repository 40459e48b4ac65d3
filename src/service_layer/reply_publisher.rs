//! Publishes replies. They are best effort and must not delay anything else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    ByteBudget, ByteReservation, Cooldown, Health, MESSAGE_OVERHEAD, PublishResult, Publisher,
    publish_window,
};
use crate::messages::{
    DropReason, OutboxKey, OutboxMessage, OutboxMessageKind, Publication, PublishStatus, Target,
};

/// Maximum replies that are published together: few enough that a queue that does not respond does
/// not exhaust the broker's credit for the connection.
const MAX_TOGETHER: usize = 200;

/// Maximum attempts at a reply that is refused or not confirmed. A failed target gets one.
const MAX_ATTEMPTS: u32 = 3;

/// Maximum time for all attempts at a reply.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Delay between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a failed target gets no further attempts.
const COOLDOWN: Duration = Duration::from_secs(60);

/// Maximum time for the last replies on shutdown. Those in the outbox stay there.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Queues replies without waiting; clones share the queue. The publisher ends after the last clone.
#[derive(Debug, Clone)]
pub struct ReplySender {
    replies: mpsc::UnboundedSender<QueuedReply>,
    budget: ByteBudget,
    health: Health,
    _last: Arc<DropGuard>,
}

#[derive(Debug)]
struct QueuedReply {
    publication: Publication,
    delivery: ReplyDelivery,
}

/// The progress of a reply.
#[derive(Debug)]
struct ReplyDelivery {
    /// The lane that deletes its outbox row, and the key of the row; `None` if it has no row.
    row: Option<(usize, OutboxKey)>,
    attempts: u32,
    /// Set at the first attempt.
    give_up_at: Option<Instant>,
    _reservation: ByteReservation,
}

/// Publishes the replies of all lanes, with limits on attempts, time and memory.
///
/// While a reply that was refused or not confirmed waits for its next attempt, others are published.
#[derive(Debug)]
pub struct ReplyPublisher {
    publisher: Box<dyn Publisher>,
    health: Health,
    replies: mpsc::UnboundedReceiver<QueuedReply>,
    /// Indexed by lane number.
    results: Vec<mpsc::UnboundedSender<PublishResult>>,
    waiting: Vec<QueuedReply>,
    retry_at: Instant,
    /// Names of queues.
    failed_targets: Cooldown<String>,
    stopping: CancellationToken,
}

impl ReplySender {
    /// Queues a reply that has a row in the outbox.
    ///
    /// # Errors
    /// The key of the row, in which the reply stays, when the queue is full.
    pub fn send_stored(&self, lane: usize, reply: OutboxMessage) -> Result<(), OutboxKey> {
        let (entry, publication) = reply.into_publication();
        match self.reserve_for(&publication) {
            Some(reservation) => {
                self.queue(publication, Some((lane, entry.key)), reservation);
                Ok(())
            }
            None => Err(entry.key),
        }
    }

    /// Queues a reply that has no row in the outbox. It is dropped when the queue is full.
    pub fn send(&self, reply: Publication) {
        match self.reserve_for(&reply) {
            Some(reservation) => self.queue(reply, None, reservation),
            None => self.health.record_dropped_reply(&reply.target, DropReason::Overflow),
        }
    }

    fn reserve_for(&self, reply: &Publication) -> Option<ByteReservation> {
        self.budget.try_reserve(reply.body.len() + MESSAGE_OVERHEAD)
    }

    fn queue(
        &self,
        publication: Publication,
        row: Option<(usize, OutboxKey)>,
        reservation: ByteReservation,
    ) {
        let delivery =
            ReplyDelivery { row, attempts: 0, give_up_at: None, _reservation: reservation };
        // Fails only when the worker is ending.
        let _ = self.replies.send(QueuedReply { publication, delivery });
    }
}

impl ReplyPublisher {
    /// A publisher and the sender of its queue. `results` is indexed by lane number.
    pub fn new(
        publisher: Box<dyn Publisher>,
        health: Health,
        results: Vec<mpsc::UnboundedSender<PublishResult>>,
        budget: ByteBudget,
    ) -> (ReplySender, Self) {
        let (replies_in, replies) = mpsc::unbounded_channel();
        let stopping = CancellationToken::new();
        let sender = ReplySender {
            replies: replies_in,
            budget,
            health: health.clone(),
            _last: Arc::new(stopping.clone().drop_guard()),
        };
        let this = Self {
            publisher,
            health,
            replies,
            results,
            waiting: Vec::new(),
            retry_at: Instant::now(),
            failed_targets: Cooldown::new(COOLDOWN),
            stopping,
        };
        (sender, this)
    }

    /// Runs until the last sender is dropped and all replies are published or dropped, but for at
    /// most 2 s after the last sender.
    pub async fn run(mut self) {
        let stopping = self.stopping.clone();
        let deadline = async {
            stopping.cancelled().await;
            sleep(STOP_WITHIN).await;
        };
        tokio::select! {
            () = self.publish_all() => {}
            () = deadline => {}
        }
    }

    async fn publish_all(&mut self) {
        let mut replies = Vec::new();
        let mut more_may_come = true;
        while more_may_come || !self.waiting.is_empty() {
            let retry = sleep_until(self.retry_at);
            tokio::select! {
                biased;
                received = self.replies.recv_many(&mut replies, MAX_TOGETHER), if more_may_come => {
                    more_may_come = received > 0;
                }
                () = retry, if !self.waiting.is_empty() => {}
            }
            if self.retry_at <= Instant::now() {
                replies.append(&mut self.waiting);
            }
            if !replies.is_empty() {
                self.publish(std::mem::take(&mut replies)).await;
            }
        }
    }

    async fn publish(&mut self, replies: Vec<QueuedReply>) {
        let began = Instant::now();
        let parts = |QueuedReply { publication, delivery }| (publication, delivery);
        let (window, deliveries): (Vec<_>, Vec<_>) = replies.into_iter().map(parts).unzip();
        let statuses = publish_window(&mut *self.publisher, &self.health, &window).await;
        let mut done: Vec<PublishResult> = Vec::new();
        done.resize_with(self.results.len(), PublishResult::default);
        let replies = window.into_iter().zip(deliveries).zip(statuses);
        for ((publication, mut delivery), status) in replies {
            delivery.attempts += 1;
            delivery.give_up_at.get_or_insert(began + MAX_TIME);
            if self.is_retried(&delivery, &publication.target, status) {
                self.wait(QueuedReply { publication, delivery });
                continue;
            }
            self.finish(&publication.target, status);
            if let Some((lane, key)) = delivery.row {
                done[lane].confirmed.push(key);
            }
        }
        for (results, done) in self.results.iter().zip(done).filter(|(_, done)| !done.is_empty()) {
            // The lane receives results until it ends.
            let _ = results.send(done);
        }
    }

    fn is_retried(&self, reply: &ReplyDelivery, target: &Target, status: PublishStatus) -> bool {
        let has_time = reply.give_up_at.is_none_or(|end| Instant::now() + PAUSE < end);
        let has_failed = queue_of(target).is_some_and(|queue| self.failed_targets.contains(queue));
        DropReason::of(status).is_some_and(DropReason::is_transient)
            && reply.attempts < MAX_ATTEMPTS
            && has_time
            && !has_failed
    }

    fn wait(&mut self, reply: QueuedReply) {
        if self.waiting.is_empty() {
            self.retry_at = Instant::now() + PAUSE;
        }
        self.waiting.push(reply);
    }

    /// Records the result of the last attempt.
    fn finish(&mut self, target: &Target, status: PublishStatus) {
        self.health.metrics().publishing.record_status(OutboxMessageKind::Reply, status);
        let reason = DropReason::of(status);
        if let Some(reason) = reason {
            self.health.record_dropped_reply(target, reason);
        }
        let Some(queue) = queue_of(target) else { return };
        if reason.is_some_and(DropReason::is_transient) {
            self.failed_targets.start(queue.to_owned());
        } else if !self.failed_targets.is_empty() {
            self.failed_targets.end(queue);
        }
    }
}

fn queue_of(target: &Target) -> Option<&str> {
    match target {
        Target::Queue { name } => Some(name),
        Target::Commands { .. }
        | Target::Partition { .. }
        | Target::Events { .. }
        | Target::Retry { .. }
        | Target::DeadLetters { .. } => None,
    }
}
