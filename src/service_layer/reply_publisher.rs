//! Publishes replies. A reply may be lost; it must not hold up anything else.

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

/// Most replies that are published together: few enough that a queue which stands still does not make
/// the broker stop reading from the connection.
const MAX_TOGETHER: usize = 200;

/// Attempts at a reply that is refused or not confirmed. A target that was given up gets one.
const MAX_ATTEMPTS: u32 = 3;

/// Longest time for all attempts at a reply.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a target that was given up gets no second attempts.
const COOLDOWN: Duration = Duration::from_secs(60);

/// How long a worker that stops waits for its last replies. What is in the outbox stays there.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Takes replies, and never waits; clones share the queue. The publisher ends after the last of them.
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

/// How far a reply has come.
#[derive(Debug)]
struct ReplyDelivery {
    /// Its row in the outbox, and the lane that removes it.
    row: Option<(usize, OutboxKey)>,
    attempts: u32,
    /// Known from the first attempt on.
    give_up_at: Option<Instant>,
    _room: ByteReservation,
}

/// Publishes the replies of all lanes, within bounds of attempts, time and memory.
///
/// A reply that is refused or not confirmed waits for its next attempt while others are published.
#[derive(Debug)]
pub struct ReplyPublisher {
    publisher: Box<dyn Publisher>,
    health: Health,
    replies: mpsc::UnboundedReceiver<QueuedReply>,
    /// By the number of the lane.
    results: Vec<mpsc::UnboundedSender<PublishResult>>,
    waiting: Vec<QueuedReply>,
    retry_at: Instant,
    /// By the name of the queue.
    given_up: Cooldown<String>,
    stopping: CancellationToken,
}

impl ReplySender {
    /// Hands over a reply that has a row in the outbox.
    ///
    /// # Errors
    /// When too many replies wait: the key of the row, in which it stays.
    pub fn send_stored(&self, lane: usize, reply: OutboxMessage) -> Result<(), OutboxKey> {
        let (entry, publication) = reply.into_publication();
        match self.room_for(&publication) {
            Some(room) => {
                self.queue(publication, Some((lane, entry.key)), room);
                Ok(())
            }
            None => Err(entry.key),
        }
    }

    /// Hands over a reply that is nowhere else: it is dropped when too many replies wait.
    pub fn send(&self, reply: Publication) {
        match self.room_for(&reply) {
            Some(room) => self.queue(reply, None, room),
            None => self.health.record_dropped_reply(&reply.target, DropReason::Overflow),
        }
    }

    fn room_for(&self, reply: &Publication) -> Option<ByteReservation> {
        self.budget.try_reserve(reply.body.len() + MESSAGE_OVERHEAD)
    }

    fn queue(
        &self,
        publication: Publication,
        row: Option<(usize, OutboxKey)>,
        room: ByteReservation,
    ) {
        let delivery = ReplyDelivery { row, attempts: 0, give_up_at: None, _room: room };
        // Without a publisher the worker is ending.
        let _ = self.replies.send(QueuedReply { publication, delivery });
    }
}

impl ReplyPublisher {
    /// A publisher and its queue. `results` are of the lanes, by their numbers.
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
            given_up: Cooldown::new(COOLDOWN),
            stopping,
        };
        (sender, this)
    }

    /// Runs until the last sender is gone and all replies are published or given up; from then on for
    /// 2 s at most.
    pub async fn run(mut self) {
        let stopping = self.stopping.clone();
        let out_of_time = async {
            stopping.cancelled().await;
            sleep(STOP_WITHIN).await;
        };
        tokio::select! {
            () = self.publish_all() => {}
            () = out_of_time => {}
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
        let judged = window.into_iter().zip(deliveries).zip(statuses);
        for ((publication, mut delivery), status) in judged {
            delivery.attempts += 1;
            delivery.give_up_at.get_or_insert(began + MAX_TIME);
            if self.is_tried_again(&delivery, &publication.target, status) {
                self.wait(QueuedReply { publication, delivery });
                continue;
            }
            self.finish(&publication.target, status);
            if let Some((lane, key)) = delivery.row {
                done[lane].confirmed.push(key);
            }
        }
        for (results, done) in self.results.iter().zip(done).filter(|(_, done)| !done.is_empty()) {
            // The lane waits for it until its own end.
            let _ = results.send(done);
        }
    }

    fn is_tried_again(
        &self,
        reply: &ReplyDelivery,
        target: &Target,
        status: PublishStatus,
    ) -> bool {
        let has_time = reply.give_up_at.is_none_or(|end| Instant::now() + PAUSE < end);
        let is_given_up = queue_of(target).is_some_and(|queue| self.given_up.contains(queue));
        DropReason::of(status).is_some_and(DropReason::may_pass)
            && reply.attempts < MAX_ATTEMPTS
            && has_time
            && !is_given_up
    }

    fn wait(&mut self, reply: QueuedReply) {
        if self.waiting.is_empty() {
            self.retry_at = Instant::now() + PAUSE;
        }
        self.waiting.push(reply);
    }

    /// The last attempt is over, whatever came of it.
    fn finish(&mut self, target: &Target, status: PublishStatus) {
        self.health.metrics().publishing.record_status(OutboxMessageKind::Reply, status);
        let reason = DropReason::of(status);
        if let Some(reason) = reason {
            self.health.record_dropped_reply(target, reason);
        }
        let Some(queue) = queue_of(target) else { return };
        if reason.is_some_and(DropReason::may_pass) {
            self.given_up.start(queue.to_owned());
        } else if !self.given_up.is_empty() {
            self.given_up.end(queue);
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
