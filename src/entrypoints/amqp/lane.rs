//! A lane: handles the commands of its share of the orders, one batch after the other.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::decoded_delivery::DecodedDelivery;
use super::report::Report;
use super::republish;
use super::settlement::{self, settle};
use super::share::share;
use crate::domain::CommandKind;
use crate::entrypoints::parked::Parked;
use crate::kill_points;
use crate::metrics::{Metrics, Source};
use crate::service_layer::{
    AckSender, ByteBudget, ChannelEpoch, Clock, DeadLetterReason, Delivery, Message, MessageBus,
    Original, OutboxMessage, Outcome, Publication, PublishBatch, PublishResult, ReplySender,
    Republish, Settlement, Store,
};
use crate::telemetry;

/// Most messages in a batch with a redelivered one. Whoever held it may have died of it: should it
/// kill this worker as well, few others have gained a delivery count, and those before are done.
const REDELIVERED_BATCH_MAX: usize = 16;

/// The bytes of bodies from which on a batch is full. What a batch makes of them (commands, rows,
/// events) takes several times as much; 500 usual orders have less than 1 MiB.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// How long a lane without work waits before it takes confirmed messages out of the outbox in a
/// transaction of their own.
const IDLE: Duration = Duration::from_millis(50);

/// A delivery, its command as far as it is known, and why it is refused, if it is.
type LookedAt = (Delivery, Option<CommandKind>, Option<DeadLetterReason>);

/// How the consumer works.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// Most messages in a batch, at least 1.
    pub batch_max: usize,
    /// Attempts at a message that names an order which does not exist, at least 1.
    pub max_attempts: u32,
    /// Whether an event without subscribers stays in the outbox.
    pub keep_unroutable_events: bool,
    /// Replies in memory; also a bound on their number.
    pub reply_bytes: ByteBudget,
}

/// Everything that a lane works with.
#[derive(Debug)]
pub struct Lane<S> {
    pub number: usize,
    pub bus: MessageBus<S>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub settings: ConsumerSettings,
    pub queue: mpsc::Receiver<DecodedDelivery>,
    /// Deliveries of locked orders.
    pub parked: Parked<DecodedDelivery>,
    pub channel_epoch: ChannelEpoch,
    pub settlements: AckSender,
    /// At least one, each with its share of the orders.
    pub event_publishers: Vec<mpsc::Sender<PublishBatch>>,
    pub copies: mpsc::UnboundedSender<Vec<Republish>>,
    pub replies: ReplySender,
    pub results: mpsc::UnboundedReceiver<PublishResult>,
    pub reports: Option<mpsc::UnboundedSender<Report>>,
}

impl<S: Store> Lane<S> {
    /// Runs until the queue has ended, then waits until all that it left is published.
    pub async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            let span = tracing::info_span!(
                "batch",
                lane = self.number,
                messages = batch.len(),
                otel.name = Empty,
                otel.kind = Empty,
            );
            telemetry::describe_batch(&span, batch.len());
            self.process(batch).instrument(span).await;
        }
        let Self { mut bus, mut results, event_publishers, copies, replies, settlements, .. } =
            self;
        drop((event_publishers, copies, replies, settlements));
        // One publisher may not come to its end: what the others had confirmed must not come again.
        loop {
            tokio::select! {
                biased;
                result = results.recv() => match result {
                    Some(result) => bus.note(result),
                    None => break,
                },
                () = tokio::time::sleep(IDLE), if bus.has_published() => {
                    bus.remove_published().await;
                }
            }
        }
        bus.remove_published().await;
    }

    /// Whatever waits, up to the size of a batch; waits for the first message only.
    async fn next_batch(&mut self) -> Option<Vec<DecodedDelivery>> {
        let mut work = self.first_work().await?;
        let mut batch = Vec::new();
        let mut most = self.settings.batch_max;
        let mut bytes = 0;
        loop {
            if work.delivery.redelivered {
                most = most.min(REDELIVERED_BATCH_MAX);
            }
            bytes += work.delivery.envelope.body.len();
            batch.push(work);
            if batch.len() >= most || bytes >= MAX_BATCH_BYTES {
                return Some(batch);
            }
            match self.next_waiting() {
                Some(next) => work = next,
                None => return Some(batch),
            }
        }
    }

    /// The next message that is already here: one that was parked, before anything new.
    fn next_waiting(&mut self) -> Option<DecodedDelivery> {
        while let Some(work) = self.parked.next_due() {
            if !self.channel_epoch.is_stale(work.delivery.tag) {
                return Some(work);
            }
        }
        while !self.parked.is_full() {
            let work = self.queue.try_recv().ok()?;
            if let Some(work) = self.unless_parked(work) {
                return Some(work);
            }
        }
        None
    }

    /// A message that is to be handled now. The broker has a stale one again: handling this copy
    /// could only make a duplicate. One whose order is locked waits behind others of this order.
    fn unless_parked(&mut self, work: DecodedDelivery) -> Option<DecodedDelivery> {
        if self.channel_epoch.is_stale(work.delivery.tag) {
            return None;
        }
        let order_id = work.order_id();
        if self.parked.holds(order_id) {
            self.parked.park(order_id.cloned(), work);
            return None;
        }
        Some(work)
    }

    /// The next message; meanwhile keeps the outbox clean. None when there is nothing more to do:
    /// then what is parked stays with the broker.
    async fn first_work(&mut self) -> Option<DecodedDelivery> {
        loop {
            if let Some(work) = self.next_waiting() {
                return Some(work);
            }
            self.parked.report();
            let takes_more = !self.parked.is_full();
            if !takes_more && self.queue.is_closed() {
                return None;
            }
            tokio::select! {
                biased;
                Some(result) = self.results.recv() => self.bus.note(result),
                work = self.queue.recv(), if takes_more => {
                    if let Some(work) = self.unless_parked(work?) {
                        return Some(work);
                    }
                }
                () = self.parked.until_due() => {}
                () = tokio::time::sleep(IDLE), if self.bus.has_published() => {
                    self.bus.remove_published().await;
                }
            }
        }
    }

    async fn process(&mut self, batch: Vec<DecodedDelivery>) {
        let mut messages = Vec::with_capacity(batch.len());
        let looked_at = |DecodedDelivery { delivery, decoded }| {
            let refusal = decoded.result.map(|message: Message| messages.push(message)).err();
            (delivery, decoded.kind, refusal)
        };
        let deliveries: Vec<LookedAt> = batch.into_iter().map(looked_at).collect();
        kill_points::reached("received");
        let began = Instant::now();
        let mut handled = self.bus.handle_batch(&messages).await;
        let committed_at = Instant::now();
        kill_points::reached("committed");
        self.metrics.messages.batch(
            Source::Queue,
            deliveries.len() - handled.locked.len(),
            &handled,
            committed_at - began,
        );
        let outcomes = std::mem::take(&mut handled.outcomes);
        let locked = std::mem::take(&mut handled.locked);
        let (acks, copies) = self.settle_all(deliveries, messages, outcomes, locked);
        self.parked.report();
        // Without a source to take them, the messages come again and are found to be duplicates.
        let _ = self.settlements.send(acks);
        if !copies.is_empty() {
            // It ends only with the worker.
            let _ = self.copies.send(copies);
        }
        self.publish(handled.outgoing, committed_at).await;
    }

    /// Parks what is locked; says what is to be acknowledged now, and what after its copies are
    /// confirmed.
    fn settle_all(
        &mut self,
        deliveries: Vec<LookedAt>,
        messages: Vec<Message>,
        outcomes: Vec<Outcome>,
        locked: Vec<usize>,
    ) -> (Vec<Settlement>, Vec<Republish>) {
        let now = self.clock.now();
        let (mut acks, mut copies) = (Vec::with_capacity(deliveries.len()), Vec::new());
        let mut messages = messages.into_iter().enumerate();
        let mut outcomes = outcomes.into_iter();
        let mut locked = locked.into_iter().peekable();
        for (mut delivery, kind, refusal) in deliveries {
            let (message_id, outcome) = if let Some(refusal) = refusal {
                (delivery.envelope.properties.message_id.clone(), Outcome::DeadLetter(refusal))
            } else {
                let (place, message) = messages.next().expect("each delivery has its message");
                if locked.next_if_eq(&place).is_some() {
                    let order_id = message.command.order_id().cloned();
                    self.parked.park(order_id, DecodedDelivery::again(delivery, message));
                    continue;
                }
                let outcome = outcomes.next().expect("the bus answers for each other message");
                (message.message_id().map(ToString::to_string), outcome)
            };
            let mut report = Report { kind, message_id, outcome };
            let tag = delivery.tag;
            let reservation = delivery.reservation.take();
            let sent_at = delivery.envelope.properties.timestamp;
            match self.apply(delivery, &mut report) {
                None => {
                    acks.push(Settlement::Ack(tag));
                    self.note_end(sent_at, now);
                }
                Some((copy, reply)) => {
                    let dead_letter = report.outcome.dead_letter_code();
                    let original = Original { tag, dead_letter, reply, reservation };
                    copies.push(Republish { copy, original });
                }
            }
            self.tell(report);
        }
        (acks, copies)
    }

    /// Hands each event to the publisher of its order, so that what is about one order stays in its
    /// order. A publisher with no place for more slows the lane down when the broker takes nothing.
    async fn publish(&mut self, outgoing: Vec<OutboxMessage>, committed_at: Instant) {
        let mut shares: Vec<Vec<OutboxMessage>> =
            self.event_publishers.iter().map(|_| Vec::new()).collect();
        for message in outgoing {
            if !message.kind.is_event() {
                if let Err(key) = self.replies.send_stored(self.number, message) {
                    self.bus.note_unpublished(&key);
                }
                continue;
            }
            // Not the number of the lane, which all that comes here has in common.
            let publisher = share(("way out", &message.key.order_id), shares.len());
            shares[publisher].push(message);
        }
        for (publisher, events) in self.event_publishers.iter().zip(shares) {
            if !events.is_empty() {
                // It ends only with the worker.
                let _ = publisher.send(PublishBatch { events, committed_at, room: None }).await;
            }
        }
    }

    /// The copy of a message that must be confirmed before it is acknowledged, and the reply that is
    /// sent then. A message whose last retry has passed is reported as the dead letter that it becomes.
    fn apply(
        &self,
        delivery: Delivery,
        report: &mut Report,
    ) -> Option<(Publication, Option<Publication>)> {
        let failed = republish::failed_attempts(&delivery.envelope.properties);
        match settle(&report.outcome, failed, self.settings.max_attempts) {
            settlement::Settlement::Ack => None,
            settlement::Settlement::Retry { attempt } => {
                Some((republish::retry(delivery.envelope, report.kind, attempt), None))
            }
            settlement::Settlement::DeadLetter { reason, attempts } => {
                let now = self.clock.now();
                let properties = &delivery.envelope.properties;
                let correlation =
                    properties.correlation_id.clone().or_else(|| report.message_id.clone());
                let queue = properties.reply_to.clone().filter(|queue| !queue.is_empty());
                report.outcome = Outcome::DeadLetter(reason.clone());
                let reply = queue.and_then(|queue| {
                    Publication::reply_to(queue, &report.outcome, correlation, now)
                });
                Some((republish::dead_letter(delivery.envelope, &reason, attempts, now), reply))
            }
        }
    }

    fn note_end(&self, sent_at: Option<u64>, now: DateTime<Utc>) {
        if let Some(sent_at) = sent_at.and_then(|seconds| i64::try_from(seconds).ok()) {
            self.metrics.messages.done_after(now.timestamp().saturating_sub(sent_at));
        }
    }

    fn tell(&self, report: Report) {
        report.log();
        self.metrics.messages.handled(Source::Queue, report.kind, &report.outcome);
        if let Some(reports) = &self.reports {
            // Nobody needs to listen.
            let _ = reports.send(report);
        }
    }
}
