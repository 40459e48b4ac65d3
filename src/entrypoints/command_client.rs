//! Commands whose senders wait for the outcome: a lane of their own, beside those of the queue.
//!
//! What such a command leaves to be published waits in the outbox while the broker is away: the
//! sender has its answer as soon as the database has the order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::Empty;

use super::parked::Parked;
use crate::metrics::{Metrics, Source};
use crate::service_layer::{
    ByteBudget, Clock, EventPublisher, Handled, Health, InFlight, MESSAGE_OVERHEAD, Message,
    MessageBus, OutboxMessage, Outcome, PublishBatch, PublishResult, Publisher, Store,
};
use crate::telemetry;

/// Most commands that wait for their turn; further ones are turned away at once.
const MAX_WAITING: usize = 1_000;

/// Most bytes of events that wait in memory to be published; above it they are left to the relay.
pub const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Longest wait of a sender.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How long the lane waits without work before it takes confirmed messages out of the outbox in a
/// transaction of their own.
const IDLE: Duration = Duration::from_millis(50);

/// Takes commands and answers with their outcomes; clones share the lane.
#[derive(Debug, Clone)]
pub struct CommandClient(mpsc::Sender<Request>);

/// The commands on their way to their lane.
#[derive(Debug)]
pub struct CommandQueue(mpsc::Receiver<Request>);

#[derive(Debug)]
struct Request {
    message: Message,
    answer: oneshot::Sender<Outcome>,
}

/// Why a command has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    #[error("{MAX_WAITING} commands are waiting already: try again later")]
    Full,
    #[error("the worker is stopping: try again")]
    Stopping,
    #[error(
        "the database did not take the command within {} s; it may still take effect: ask again with the same message id",
        ANSWER_WITHIN.as_secs()
    )]
    TooLate,
}

impl CommandClient {
    /// The way to a lane, and its end. The lane ends when the last clone of the way is dropped.
    pub fn channel() -> (Self, CommandQueue) {
        let (requests, queue) = mpsc::channel(MAX_WAITING);
        (Self(requests), CommandQueue(queue))
    }

    /// Whether there is a lane, or is going to be one.
    pub fn lane_lives(&self) -> bool {
        !self.0.is_closed()
    }

    /// Has a command handled: its effects are committed when this answers.
    ///
    /// # Errors
    /// See [`SubmitError`]. Of a command that came too late it is not known whether it takes effect.
    pub async fn handle(&self, message: Message) -> Result<Outcome, SubmitError> {
        let (answer, outcome) = oneshot::channel();
        self.0.try_send(Request { message, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Full,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Stopping,
        })?;
        match tokio::time::timeout(ANSWER_WITHIN, outcome).await {
            Ok(outcome) => outcome.map_err(|_| SubmitError::Stopping),
            Err(_) => Err(SubmitError::TooLate),
        }
    }
}

/// What the lane stands on.
#[derive(Debug)]
pub struct CommandLaneDeps<S, P> {
    pub store: S,
    pub publisher: P,
    pub clock: Arc<dyn Clock>,
    pub health: Health,
    pub in_flight: InFlight,
    /// Most commands in a batch, at least 1.
    pub batch_max: usize,
    pub keep_unroutable_events: bool,
    /// Usually [`MAX_WAITING_BYTES`].
    pub max_waiting_bytes: usize,
}

/// Handles commands until nobody can send any more, and all that they left is published. The caller
/// bounds that time by dropping the future, which loses nothing that was answered. From `stop` on,
/// nobody waits for a locked order: such commands are turned away, without effect.
pub async fn serve<S: Store, P: Publisher>(
    queue: CommandQueue,
    ground: CommandLaneDeps<S, P>,
    stop: CancellationToken,
) {
    let CommandLaneDeps { store, publisher, clock, health, in_flight, .. } = ground;
    // The bytes are what bounds it.
    let (batches_in, batches) = mpsc::channel(ground.max_waiting_bytes.div_ceil(MESSAGE_OVERHEAD));
    let (results_in, results) = mpsc::unbounded_channel();
    let event_publisher = EventPublisher {
        publisher,
        health: health.clone(),
        batches,
        results: results_in,
        keep_unroutable_events: ground.keep_unroutable_events,
    };
    let lane = RequestLane {
        metrics: health.metrics().clone(),
        parked: Parked::new(MAX_WAITING, health.metrics().clone(), Source::Http),
        bus: MessageBus::new(store, clock, health, in_flight),
        queue: queue.0,
        batches: batches_in,
        waiting: ByteBudget::new(ground.max_waiting_bytes),
        results,
        batch_max: ground.batch_max,
        stop,
    };
    tokio::join!(event_publisher.run(), lane.run());
}

struct RequestLane<S> {
    metrics: Metrics,
    bus: MessageBus<S>,
    queue: mpsc::Receiver<Request>,
    /// Commands of locked orders, until their senders wait no more.
    parked: Parked<Request>,
    batches: mpsc::Sender<PublishBatch>,
    waiting: ByteBudget,
    results: mpsc::UnboundedReceiver<PublishResult>,
    batch_max: usize,
    stop: CancellationToken,
}

impl<S: Store> RequestLane<S> {
    async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            let span = tracing::info_span!(
                "requests",
                messages = batch.len(),
                otel.name = Empty,
                otel.kind = Empty,
            );
            telemetry::describe_batch(&span, batch.len());
            self.process(batch).instrument(span).await;
        }
        let Self { mut bus, mut results, batches, .. } = self;
        drop(batches);
        while let Some(result) = results.recv().await {
            bus.note(result);
        }
        bus.remove_published().await;
    }

    /// Whatever waits, up to the size of a batch, without what nobody waits for any more.
    async fn next_batch(&mut self) -> Option<Vec<Request>> {
        loop {
            let mut batch = self.parked_batch();
            if !batch.is_empty() {
                return Some(batch);
            }
            tokio::select! {
                biased;
                Some(result) = self.results.recv() => self.bus.note(result),
                () = self.stop.cancelled(), if !self.parked.is_empty() => {
                    self.parked.retain(|_| false);
                }
                received = self.queue.recv_many(&mut batch, self.batch_max), if !self.parked.is_full() => {
                    if received == 0 {
                        return None;
                    }
                    let batch: Vec<_> =
                        batch.into_iter().filter_map(|request| self.unless_parked(request)).collect();
                    if !batch.is_empty() {
                        return Some(batch);
                    }
                }
                () = self.parked.until_due() => {}
                () = tokio::time::sleep(IDLE), if self.bus.has_published() => {
                    self.bus.remove_published().await;
                }
            }
        }
    }

    /// Commands that were parked and are to be tried again.
    fn parked_batch(&mut self) -> Vec<Request> {
        self.parked.retain(|request| !request.answer.is_closed());
        self.parked.report();
        std::iter::from_fn(|| self.parked.next_due()).take(self.batch_max).collect()
    }

    /// A command that is to be handled now: somebody waits for it, and no other of its order does.
    fn unless_parked(&mut self, request: Request) -> Option<Request> {
        let order_id = request.message.command.order_id();
        if request.answer.is_closed() {
            return None;
        }
        if self.parked.holds(order_id) {
            self.parked.park(order_id.cloned(), request);
            return None;
        }
        Some(request)
    }

    async fn process(&mut self, batch: Vec<Request>) {
        let (messages, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|request| (request.message, request.answer)).unzip();
        let began = Instant::now();
        let mut handled = self.bus.handle_batch(&messages).await;
        let committed_at = Instant::now();
        let mut locked = std::mem::take(&mut handled.locked).into_iter().peekable();
        let (mut done, mut done_answers) = (Vec::with_capacity(messages.len()), Vec::new());
        for (place, (message, answer)) in messages.into_iter().zip(answers).enumerate() {
            if locked.next_if_eq(&place).is_some() {
                let order_id = message.command.order_id().cloned();
                self.parked.park(order_id, Request { message, answer });
            } else {
                done.push(message);
                done_answers.push(answer);
            }
        }
        self.count(&done, &handled, committed_at - began);
        for (answer, outcome) in done_answers.into_iter().zip(handled.outcomes) {
            // Whoever asked may have gone; the command has its effect all the same.
            let _ = answer.send(outcome);
        }
        self.publish(handled.outgoing, committed_at);
    }

    fn count(&self, messages: &[Message], handled: &Handled, took: Duration) {
        let counters = &self.metrics.messages;
        counters.batch(Source::Http, messages.len(), handled, took);
        for (message, outcome) in messages.iter().zip(&handled.outcomes) {
            counters.received(Source::Http, false);
            counters.handled(Source::Http, Some(message.command.kind()), outcome);
        }
    }

    /// Hands the events on, or leaves them to the relay when too much waits: the replies to the senders
    /// must not wait for the broker. No command over HTTP has a `reply_to`, so a reply in here was left
    /// by another lane, and is the relay's as well.
    fn publish(&mut self, outgoing: Vec<OutboxMessage>, committed_at: Instant) {
        let (events, replies): (Vec<_>, Vec<_>) =
            outgoing.into_iter().partition(|message| message.kind.is_event());
        self.leave_to_relay(&replies);
        if events.is_empty() {
            return;
        }
        let bytes = events.iter().map(|event| event.body.len() + MESSAGE_OVERHEAD).sum();
        let Some(room) = self.waiting.try_reserve(bytes) else {
            return self.leave_to_relay(&events);
        };
        let batch = PublishBatch { events, committed_at, room: Some(room) };
        if let Err(
            mpsc::error::TrySendError::Full(batch) | mpsc::error::TrySendError::Closed(batch),
        ) = self.batches.try_send(batch)
        {
            self.leave_to_relay(&batch.events);
        }
    }

    fn leave_to_relay(&self, messages: &[OutboxMessage]) {
        for message in messages {
            self.bus.note_unpublished(&message.key);
        }
    }
}
