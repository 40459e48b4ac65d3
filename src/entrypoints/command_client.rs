//! Commands whose clients wait for the outcome, as over HTTP. They have a lane of their own, beside
//! those of the queue.
//!
//! The client gets its response as soon as the database has committed. What the command leaves to be
//! published waits in the outbox while the broker is unavailable.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lane::{Handled, Incoming, Lane, OutcomeSink, Parked};
use crate::messages::{Message, OutboxMessage, Outcome};
use crate::metrics::{Metrics, Source};
use crate::service_layer::{
    ByteBudget, Clock, EventPublisher, Health, InFlight, MESSAGE_OVERHEAD, MessageBus,
    PublishBatch, Publisher, Store,
};

/// Most commands that wait for their turn; further ones are turned away at once.
const MAX_WAITING: usize = 1_000;

/// Most bytes of events that wait in memory to be published; above it they are left to the relay.
pub const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Longest wait of a sender.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Submits commands and returns their outcomes; clones share the lane.
#[derive(Debug, Clone)]
pub struct CommandClient(mpsc::Sender<Request>);

/// Submitted commands on their way to the lane.
#[derive(Debug)]
pub struct CommandQueue(mpsc::Receiver<Request>);

type Request = Incoming<oneshot::Sender<Outcome>>;

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
        let (origin, outcome) = oneshot::channel();
        let kind = Some(message.command.kind());
        // Its size was limited when the request was read.
        let request = Incoming { message: Ok(message), kind, redelivered: false, bytes: 0, origin };
        self.0.try_send(request).map_err(|error| match error {
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
pub struct CommandLaneDeps {
    pub store: Box<dyn Store>,
    pub publisher: Box<dyn Publisher>,
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
pub async fn serve(queue: CommandQueue, deps: CommandLaneDeps, stop: CancellationToken) {
    let CommandLaneDeps { store, publisher, clock, health, in_flight, .. } = deps;
    // The bytes are the limit, not the number.
    let (batches_in, batches) = mpsc::channel(deps.max_waiting_bytes.div_ceil(MESSAGE_OVERHEAD));
    let (results_in, results) = mpsc::unbounded_channel();
    let event_publisher = EventPublisher {
        publisher,
        health: health.clone(),
        batches,
        results: results_in,
        keep_unroutable_events: deps.keep_unroutable_events,
    };
    let metrics = health.metrics().clone();
    let sink = HttpOutcomes {
        metrics: metrics.clone(),
        batches: batches_in,
        waiting: ByteBudget::new(deps.max_waiting_bytes),
        in_flight: in_flight.clone(),
    };
    let lane = Lane {
        number: 0,
        bus: MessageBus::new(store, clock, health, in_flight),
        metrics: metrics.clone(),
        batch_max: deps.batch_max,
        queue: queue.0,
        parked: Parked::new(MAX_WAITING, metrics, Source::Http),
        sink,
        results,
        stop_parking: stop,
    };
    tokio::join!(event_publisher.run(), lane.run());
}

/// Outcomes are sent to the waiting clients.
struct HttpOutcomes {
    metrics: Metrics,
    batches: mpsc::Sender<PublishBatch>,
    waiting: ByteBudget,
    in_flight: InFlight,
}

impl OutcomeSink for HttpOutcomes {
    type Origin = oneshot::Sender<Outcome>;

    const SOURCE: Source = Source::Http;

    /// Whether the client still waits.
    fn is_awaited(&self, client: &Self::Origin) -> bool {
        !client.is_closed()
    }

    fn settle(&mut self, batch: Vec<Handled<Self::Origin>>) {
        for Handled { kind, outcome, origin: client, .. } in batch {
            self.metrics.commands.received(Source::Http, false);
            self.metrics.commands.handled(Source::Http, kind, &outcome);
            // The client may be gone; the command has its effect all the same.
            let _ = client.send(outcome);
        }
    }

    /// Never waits for the broker, as the next responses would wait too: what does not fit into the
    /// budget is left to the relay. HTTP commands have no `reply_to`, so a reply in here was left by
    /// another lane, and is the relay's as well.
    async fn publish(&mut self, messages: Vec<OutboxMessage>, committed_at: Instant) {
        let (events, replies): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.kind.is_event());
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
}

impl HttpOutcomes {
    fn leave_to_relay(&self, messages: &[OutboxMessage]) {
        if !messages.is_empty() {
            self.in_flight.leave(messages.iter().map(|message| message.key.event_id));
        }
    }
}
