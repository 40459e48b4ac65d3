//! Publishes the events of a lane's batches, in order.

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::{ByteReservation, Health, Publisher, publish_window};
use crate::kill_points;
use crate::messages::{OutboxEntry, OutboxKey, OutboxMessage, Publication, PublishStatus};
use crate::telemetry;

/// Maximum batches that wait for one publisher of a lane.
pub const MAX_WAITING_BATCHES: usize = 2;

/// Waiting batches are published together, up to about this many events, so that the broker syncs its
/// log once for all of them.
const MAX_TOGETHER: usize = 1_000;

/// Events of one batch. They stay in the outbox until they are confirmed.
#[derive(Debug)]
pub struct PublishBatch {
    pub events: Vec<OutboxMessage>,
    /// When the batch was committed.
    pub committed_at: Instant,
    /// Its share of a [`ByteBudget`](super::ByteBudget), if there is one.
    pub reservation: Option<ByteReservation>,
}

/// The result of publishing messages of the outbox.
#[derive(Debug, Default)]
pub struct PublishResult {
    /// Completed, to be deleted from the outbox.
    pub confirmed: Vec<OutboxKey>,
    /// Left in the outbox for the relay.
    pub kept: Vec<OutboxKey>,
}

impl PublishResult {
    pub fn is_empty(&self) -> bool {
        self.confirmed.is_empty() && self.kept.is_empty()
    }
}

/// Publishes the events of its share of a lane's orders.
///
/// Each event is published once, and again only after a connection failure. Events that the broker
/// refuses or does not confirm are left to the relay, so that one subscriber that accepts nothing
/// does not delay the events of others. The next commit for the order finds such an event in the
/// outbox and publishes it again before the newer event.
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
        for PublishBatch { events, committed_at, reservation } in batches {
            for (entry, publication) in events.into_iter().map(OutboxMessage::into_publication) {
                entries.push(entry);
                window.push(publication);
            }
            committed.push((committed_at, reservation));
        }
        kill_points::reached("publishing");
        let span = tracing::debug_span!("publish", otel.name = Empty, otel.kind = Empty);
        telemetry::describe_publishing(&span, window.len());
        let publishing = publish_window(&mut *self.publisher, &self.health, &window);
        let statuses = publishing.instrument(span).await;
        kill_points::reached("confirmed");
        for (committed_at, _reservation) in committed {
            self.health.metrics().publishing.observe_confirm(committed_at.elapsed());
        }
        // The lane receives results until it ends.
        let _ = self.results.send(self.result_of(entries, &window, &statuses));
    }

    fn result_of(
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
        // Events are never published to a queue. If a bug did so, the event must not be lost.
        PublishStatus::Refused | PublishStatus::Unconfirmed | PublishStatus::OwnQueue => true,
    }
}
