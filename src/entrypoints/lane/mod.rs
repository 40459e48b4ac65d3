//! A lane processes the commands of its share of the orders, one batch at a time.
//!
//! The queue has several lanes, HTTP has one. They differ only in their [`OutcomeSink`].

mod parked;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::Empty;

pub use self::parked::Parked;
use crate::domain::{CommandKind, MessageId, OrderId};
use crate::kill_points;
use crate::messages::{BatchResult, DeadLetterReason, Message, OutboxMessage, Outcome};
use crate::metrics::{Metrics, Source};
use crate::service_layer::{MessageBus, PublishResult};
use crate::telemetry;

/// Maximum messages in a batch that contains a redelivered one. The worker that had it before may
/// have crashed because of it: should that happen again, only these few messages gain a delivery
/// count.
const REDELIVERED_BATCH_MAX: usize = 16;

/// A batch is full when its bodies have this many bytes. Commands, rows and events take several times
/// as much; 500 average orders have less than 1 MiB.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// How long a lane is idle before it deletes confirmed messages from the outbox in a transaction of
/// their own; otherwise the next batch deletes them.
const IDLE: Duration = Duration::from_millis(50);

/// A decoded message on its way through a lane.
#[derive(Debug)]
pub struct Incoming<O> {
    /// The command, or why the message could not be decoded.
    pub message: Result<Message, DeadLetterReason>,
    /// `None` if the message does not name a known command.
    pub kind: Option<CommandKind>,
    pub redelivered: bool,
    /// The size of the body.
    pub bytes: usize,
    pub origin: O,
}

impl<O> Incoming<O> {
    /// The order id of the command, if it has one.
    pub fn order_id(&self) -> Option<&OrderId> {
        self.message.as_ref().ok().and_then(|message| message.command.order_id())
    }

    fn with_outcome(self, outcome: Outcome) -> Handled<O> {
        let Self { message, kind, origin, .. } = self;
        let message_id =
            message.ok().and_then(|message| message.idempotency_key).map(|it| it.message_id);
        Handled { kind, message_id, outcome, origin }
    }
}

/// A message with its outcome.
#[derive(Debug)]
pub struct Handled<O> {
    pub kind: Option<CommandKind>,
    /// `None` if the message has none or could not be decoded.
    pub message_id: Option<MessageId>,
    pub outcome: Outcome,
    pub origin: O,
}

/// Receives the outcomes of a lane's commands.
pub trait OutcomeSink: Send {
    /// Where a command came from, and where its outcome goes.
    type Origin: Send;

    const SOURCE: Source;

    /// Whether the command still has to be processed.
    fn is_awaited(&self, origin: &Self::Origin) -> bool;

    /// Passes on the outcomes of a committed batch.
    fn settle(&mut self, batch: Vec<Handled<Self::Origin>>);

    /// Queues the messages of a committed batch for publishing, or leaves them to the relay.
    fn publish(
        &mut self,
        messages: Vec<OutboxMessage>,
        committed_at: Instant,
    ) -> impl Future<Output = ()> + Send;
}

/// A lane with its dependencies.
#[derive(Debug)]
pub struct Lane<S: OutcomeSink> {
    pub number: usize,
    pub bus: MessageBus,
    pub metrics: Metrics,
    /// Maximum commands in a batch, at least 1.
    pub batch_max: usize,
    pub queue: mpsc::Receiver<Incoming<S::Origin>>,
    pub parked: Parked<Incoming<S::Origin>>,
    pub sink: S,
    pub results: mpsc::UnboundedReceiver<PublishResult>,
    /// Once cancelled, parked commands are dropped, and no more are parked.
    pub stop_parking: CancellationToken,
}

impl<S: OutcomeSink> Lane<S> {
    /// Runs until the queue has ended and the publishers have returned all results.
    pub async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            let span = tracing::info_span!(
                "batch",
                source = S::SOURCE.as_str(),
                lane = self.number,
                messages = batch.len(),
                otel.name = Empty,
                otel.kind = Empty,
            );
            telemetry::describe_batch(&span, batch.len());
            self.process(batch).instrument(span).await;
        }
        let Self { mut bus, mut results, sink, .. } = self;
        drop(sink);
        // One publisher may never finish; messages that the others had confirmed must be deleted.
        loop {
            tokio::select! {
                biased;
                result = results.recv() => match result {
                    Some(result) => bus.record_result(result),
                    None => break,
                },
                () = tokio::time::sleep(IDLE), if bus.has_published() => {
                    bus.remove_published().await;
                }
            }
        }
        bus.remove_published().await;
    }

    /// Waits for the first message and adds those that are ready, up to the maximum size of a batch.
    async fn next_batch(&mut self) -> Option<Vec<Incoming<S::Origin>>> {
        let mut next = self.first().await?;
        let mut batch = Vec::new();
        let mut max = self.batch_max;
        let mut bytes = 0;
        loop {
            if next.redelivered {
                max = max.min(REDELIVERED_BATCH_MAX);
            }
            bytes += next.bytes;
            batch.push(next);
            if batch.len() >= max || bytes >= MAX_BATCH_BYTES {
                return Some(batch);
            }
            match self.next_ready() {
                Some(incoming) => next = incoming,
                None => return Some(batch),
            }
        }
    }

    /// The next message that is ready: first parked ones that are due, then new ones.
    fn next_ready(&mut self) -> Option<Incoming<S::Origin>> {
        while let Some(incoming) = self.parked.next_due() {
            if self.sink.is_awaited(&incoming.origin) {
                return Some(incoming);
            }
        }
        while !self.parked.is_full() {
            let incoming = self.queue.try_recv().ok()?;
            if let Some(incoming) = self.unless_parked(incoming) {
                return Some(incoming);
            }
        }
        None
    }

    /// Returns the message if it can be processed now. It is parked if a command of its order is
    /// parked.
    fn unless_parked(&mut self, incoming: Incoming<S::Origin>) -> Option<Incoming<S::Origin>> {
        if !self.sink.is_awaited(&incoming.origin) {
            return None;
        }
        let order_id = incoming.order_id();
        if self.parked.holds(order_id) {
            self.parked.park(order_id.cloned(), incoming);
            return None;
        }
        Some(incoming)
    }

    /// Waits for the next message, and deletes published messages meanwhile. `None` when the queue
    /// has ended; parked commands then stay unsettled.
    async fn first(&mut self) -> Option<Incoming<S::Origin>> {
        loop {
            if let Some(incoming) = self.next_ready() {
                return Some(incoming);
            }
            self.parked.report();
            let accepts_new = !self.parked.is_full();
            if !accepts_new && self.queue.is_closed() {
                return None;
            }
            tokio::select! {
                biased;
                Some(result) = self.results.recv() => self.bus.record_result(result),
                () = self.stop_parking.cancelled(), if !self.parked.is_empty() => self.parked.clear(),
                incoming = self.queue.recv(), if accepts_new => {
                    if let Some(incoming) = self.unless_parked(incoming?) {
                        return Some(incoming);
                    }
                }
                () = self.parked.until_due() => {}
                () = tokio::time::sleep(IDLE), if self.bus.has_published() => {
                    self.bus.remove_published().await;
                }
            }
        }
    }

    async fn process(&mut self, batch: Vec<Incoming<S::Origin>>) {
        kill_points::reached("received");
        let began = Instant::now();
        let commands = batch.iter().filter_map(|incoming| incoming.message.as_ref().ok());
        let mut results = self.bus.handle_batch(commands).await;
        let committed_at = Instant::now();
        kill_points::reached("committed");
        let messages = batch.len() - results.locked.len();
        self.metrics.commands.batch(S::SOURCE, messages, &results, committed_at - began);
        let to_publish = std::mem::take(&mut results.to_publish);
        let batch = self.park_locked(batch, results);
        self.parked.report();
        self.sink.settle(batch);
        self.sink.publish(to_publish, committed_at).await;
    }

    /// Parks the commands of locked orders and gives each other message its outcome.
    fn park_locked(
        &mut self,
        batch: Vec<Incoming<S::Origin>>,
        results: BatchResult,
    ) -> Vec<Handled<S::Origin>> {
        let mut outcomes = results.outcomes.into_iter();
        let mut locked = results.locked.into_iter().peekable();
        let mut handled = Vec::with_capacity(batch.len());
        let mut index = 0;
        for incoming in batch {
            if let Err(reason) = &incoming.message {
                let outcome = Outcome::DeadLetter(reason.clone());
                handled.push(incoming.with_outcome(outcome));
                continue;
            }
            if locked.next_if_eq(&index).is_some() {
                self.parked.park(incoming.order_id().cloned(), incoming);
            } else {
                let outcome = outcomes.next().expect("each command that is not locked has one");
                handled.push(incoming.with_outcome(outcome));
            }
            index += 1;
        }
        handled
    }
}
