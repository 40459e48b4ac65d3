//! Publishes the events that a lane's batches leave, in their order.

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::{ByteReservation, Health, Publisher, publish_window};
use crate::kill_points;
use crate::messages::{OutboxEntry, OutboxKey, OutboxMessage, Publication, PublishStatus};
use crate::telemetry;

/// Most batches that wait to be published behind a lane.
pub const MAX_WAITING_BATCHES: usize = 2;

/// Batches that wait are published together until they have this many events: the broker writes its
/// log once for all of them.
const MAX_TOGETHER: usize = 1_000;

/// The events of one batch. They stay in the outbox until they are confirmed.
#[derive(Debug)]
pub struct PublishBatch {
    pub events: Vec<OutboxMessage>,
    /// When the batch was committed.
    pub committed_at: Instant,
    /// What it takes of a bound on memory, where there is one.
    pub room: Option<ByteReservation>,
}

/// What became of messages of the outbox.
#[derive(Debug, Default)]
pub struct PublishResult {
    /// Done with: they leave the outbox.
    pub confirmed: Vec<OutboxKey>,
    /// They stay in the outbox and are left to the relay.
    pub kept: Vec<OutboxKey>,
}

impl PublishResult {
    pub fn is_empty(&self) -> bool {
        self.confirmed.is_empty() && self.kept.is_empty()
    }
}

/// Publishes the events of its share of a lane's orders.
///
/// Each event is tried once, and again only after trouble with the connection. What the broker
/// refuses or does not confirm is left to the relay, so that one subscriber which takes nothing does
/// not hold up the events of others. The next commit of that order finds it in the outbox and hands
/// it over again in front of the newer event.
#[derive(Debug)]
pub struct EventPublisher {
    pub publisher: Box<dyn Publisher>,
    pub health: Health,
    pub batches: mpsc::Receiver<PublishBatch>,
    pub results: mpsc::UnboundedSender<PublishResult>,
    pub keep_unroutable_events: bool,
}

impl EventPublisher {
    /// Runs until the lane has ended and all its batches are published.
    pub async fn run(mut self) {
        while let Some(batches) = self.next_batches().await {
            self.publish(batches).await;
        }
    }

    async fn next_batches(&mut self) -> Option<Vec<PublishBatch>> {
        let first = self.batches.recv().await?;
        let mut events = first.events.len();
        let mut batches = vec![first];
        while events < MAX_TOGETHER
            && let Ok(next) = self.batches.try_recv()
        {
            events += next.events.len();
            batches.push(next);
        }
        Some(batches)
    }

    async fn publish(&mut self, batches: Vec<PublishBatch>) {
        let events = batches.iter().map(|batch| batch.events.len()).sum();
        if events == 0 {
            return;
        }
        let mut entries = Vec::with_capacity(events);
        let mut window = Vec::with_capacity(events);
        let mut committed = Vec::with_capacity(batches.len());
        for PublishBatch { events, committed_at, room } in batches {
            for (entry, publication) in events.into_iter().map(OutboxMessage::into_publication) {
                entries.push(entry);
                window.push(publication);
            }
            committed.push((committed_at, room));
        }
        kill_points::reached("publishing");
        let span = tracing::debug_span!("publish", otel.name = Empty, otel.kind = Empty);
        telemetry::describe_publishing(&span, window.len());
        let publishing = publish_window(&mut *self.publisher, &self.health, &window);
        let statuses = publishing.instrument(span).await;
        kill_points::reached("confirmed");
        for (committed_at, _room) in committed {
            self.health.metrics().publishing.observe_confirm(committed_at.elapsed());
        }
        // The lane waits for it until its own end.
        let _ = self.results.send(self.judge(entries, &window, &statuses));
    }

    fn judge(
        &self,
        entries: Vec<OutboxEntry>,
        window: &[Publication],
        statuses: &[PublishStatus],
    ) -> PublishResult {
        let mut result = PublishResult::default();
        for ((entry, publication), status) in entries.into_iter().zip(window).zip(statuses) {
            self.health.record_event_status(&entry, &publication.target, *status);
            if is_kept(*status, self.keep_unroutable_events) {
                result.kept.push(entry.key);
            } else {
                result.confirmed.push(entry.key);
            }
        }
        result
    }
}

/// Whether an event stays in the outbox.
pub(super) fn is_kept(status: PublishStatus, keep_unroutable: bool) -> bool {
    match status {
        PublishStatus::Confirmed => false,
        PublishStatus::Unroutable => keep_unroutable,
        // No event is for a queue; it would be a bug, and no reason to lose the event.
        PublishStatus::Refused | PublishStatus::Unconfirmed | PublishStatus::OwnQueue => true,
    }
}
