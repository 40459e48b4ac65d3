//! Commands whose clients wait for the outcome, as over HTTP. They have a lane of their own.
//!
//! The client gets its response as soon as the database has committed. While the broker is
//! unavailable, the events stay in the outbox.

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

/// Maximum waiting commands; further ones are rejected at once.
const MAX_WAITING: usize = 1_000;

/// Maximum bytes of events that wait in memory to be published; further ones are left to the relay.
pub const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Maximum time until the outcome.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(15);

/// Submits commands and returns their outcomes; clones share the lane.
#[derive(Debug, Clone)]
pub struct CommandClient(mpsc::Sender<Request>);

/// Submitted commands on their way to the lane.
#[derive(Debug)]
pub struct CommandQueue(mpsc::Receiver<Request>);

type Request = Incoming<oneshot::Sender<Outcome>>;

/// Why there is no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    #[error("{MAX_WAITING} commands are waiting already: try again later")]
    Full,
    #[error("the worker is stopping: try again")]
    Stopping,
    #[error(
        "the database did not commit the command within {} s; it may still take effect: retry with the same message id",
        OUTCOME_TIMEOUT.as_secs()
    )]
    TooLate,
}

impl CommandClient {
    /// A client and the queue for its lane. The lane ends when the last clone of the client is
    /// dropped.
    pub fn channel() -> (Self, CommandQueue) {
        let (requests, queue) = mpsc::channel(MAX_WAITING);
        (Self(requests), CommandQueue(queue))
    }

    /// Whether the lane is running or starting.
    pub fn has_lane(&self) -> bool {
        !self.0.is_closed()
    }

    /// Submits a command and returns its outcome, after its effects are committed.
    ///
    /// # Errors
    /// See [`SubmitError`]. After [`SubmitError::TooLate`], the command may still take effect.
    pub async fn handle(&self, message: Message) -> Result<Outcome, SubmitError> {
        let (origin, outcome) = oneshot::channel();
        let kind = Some(message.command.kind());
        // Its size was limited when the request was read.
        let request = Incoming { message: Ok(message), kind, redelivered: false, bytes: 0, origin };
        self.0.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Full,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Stopping,
        })?;
        match tokio::time::timeout(OUTCOME_TIMEOUT, outcome).await {
            Ok(outcome) => outcome.map_err(|_| SubmitError::Stopping),
            Err(_) => Err(SubmitError::TooLate),
        }
    }
}

/// The dependencies of the lane.
#[derive(Debug)]
pub struct CommandLaneDeps {
    pub store: Box<dyn Store>,
    pub publisher: Box<dyn Publisher>,
    pub clock: Arc<dyn Clock>,
    pub health: Health,
    pub in_flight: InFlight,
    /// Maximum commands in a batch, at least 1.
    pub batch_max: usize,
    pub keep_unroutable_events: bool,
    /// Usually [`MAX_WAITING_BYTES`].
    pub max_waiting_bytes: usize,
}

/// Runs the lane until all clients are dropped and the events are published. The caller can limit
/// that time by dropping the future, which loses no command that has an outcome. Once `stop` is
/// cancelled, commands of locked orders are rejected instead of parked, and have no effect.
pub async fn serve(queue: CommandQueue, deps: CommandLaneDeps, stop: CancellationToken) {
    let CommandLaneDeps { store, publisher, clock, health, in_flight, .. } = deps;
    // Large enough that the bytes are the limit.
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
        budget: ByteBudget::new(deps.max_waiting_bytes),
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

/// Sends outcomes to the waiting clients.
struct HttpOutcomes {
    metrics: Metrics,
    batches: mpsc::Sender<PublishBatch>,
    budget: ByteBudget,
    in_flight: InFlight,
}

impl OutcomeSink for HttpOutcomes {
    type Origin = oneshot::Sender<Outcome>;

    const SOURCE: Source = Source::Http;

    /// Whether the client is still waiting.
    fn is_awaited(&self, client: &Self::Origin) -> bool {
        !client.is_closed()
    }

    fn settle(&mut self, batch: Vec<Handled<Self::Origin>>) {
        for Handled { kind, outcome, origin: client, .. } in batch {
            self.metrics.commands.received(Source::Http, false);
            self.metrics.commands.handled(Source::Http, kind, &outcome);
            // The client may have disconnected; the command is committed in any case.
            let _ = client.send(outcome);
        }
    }

    /// Never waits for the broker, as this would delay further responses: events that exceed the
    /// budget are left to the relay. HTTP commands have no `reply_to`, so replies in here are
    /// earlier messages of another lane, and are left to the relay as well.
    async fn publish(&mut self, messages: Vec<OutboxMessage>, committed_at: Instant) {
        let (events, replies): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.kind.is_event());
        self.leave_to_relay(&replies);
        if events.is_empty() {
            return;
        }
        let bytes = events.iter().map(|event| event.body.len() + MESSAGE_OVERHEAD).sum();
        let Some(reservation) = self.budget.try_reserve(bytes) else {
            return self.leave_to_relay(&events);
        };
        let batch = PublishBatch { events, committed_at, reservation: Some(reservation) };
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
            self.in_flight.leave_to_relay(messages.iter().map(|message| message.key.event_id));
        }
    }
}
