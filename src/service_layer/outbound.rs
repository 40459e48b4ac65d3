//! The way out of a lane: publishes what its batches leave, window by window, in their order.

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::{
    Health, OutboxEntry, OutboxKey, Outgoing, OutgoingKind, Publisher, Verdict, publish_all,
};
use crate::kill_points;
use crate::telemetry;

/// Most windows that wait to be published behind a lane, and that are published together.
pub const MOST_WINDOWS: usize = 2;

/// What one batch leaves to be published: messages that stay in the outbox until they are confirmed.
#[derive(Debug)]
pub struct Window {
    pub outgoing: Vec<Outgoing>,
    /// When the batch was committed.
    pub committed_at: Instant,
}

/// What became of outgoing messages.
#[derive(Debug, Default)]
pub struct Published {
    pub confirmed: Vec<OutboxKey>,
    /// Nobody took them, and they are to be kept.
    pub kept: Vec<OutboxKey>,
}

/// Publishes the windows of one lane.
#[derive(Debug)]
pub struct Outbound<P> {
    pub publisher: P,
    pub health: Health,
    pub windows: mpsc::Receiver<Window>,
    pub published: mpsc::UnboundedSender<Published>,
    pub keep_unroutable_events: bool,
}

impl<P: Publisher> Outbound<P> {
    /// Runs until the lane has ended and all its windows are published.
    pub async fn run(mut self) {
        let mut windows = Vec::with_capacity(MOST_WINDOWS);
        // Those that came while the broker was busy with the one before go out together: it has its
        // log written once for all of them.
        while self.windows.recv_many(&mut windows, MOST_WINDOWS).await > 0 {
            self.publish(windows.drain(..)).await;
        }
    }

    async fn publish(&mut self, windows: impl Iterator<Item = Window>) {
        let (mut entries, mut publications) = (Vec::new(), Vec::new());
        let mut committed_at = Vec::new();
        for Window { outgoing, committed_at: at } in windows.filter(|it| !it.outgoing.is_empty()) {
            committed_at.push(at);
            for (entry, publication) in outgoing.into_iter().map(Outgoing::into_publication) {
                entries.push(entry);
                publications.push(publication);
            }
        }
        if entries.is_empty() {
            return;
        }
        kill_points::reached("publishing");
        let span = tracing::debug_span!("publish", otel.name = Empty, otel.kind = Empty);
        telemetry::describe_publishing(&span, publications.len());
        let publishing = publish_all(&mut self.publisher, &self.health, publications);
        let verdicts = publishing.instrument(span).await;
        kill_points::reached("confirmed");
        for committed_at in committed_at {
            self.health.metrics().publishing.confirmed_after(committed_at.elapsed());
        }
        let published = self.sorted(entries, &verdicts);
        // The lane waits for it until its own end.
        let _ = self.published.send(published);
    }

    fn sorted(&self, entries: Vec<OutboxEntry>, verdicts: &[Verdict]) -> Published {
        let mut published = Published::default();
        for (OutboxEntry { key, kind }, verdict) in entries.into_iter().zip(verdicts) {
            let unroutable_event = *verdict == Verdict::Unroutable && kind.is_event();
            if unroutable_event {
                self.tell_the_first_unroutable(&key, kind);
            }
            self.health.metrics().publishing.judged(kind, *verdict);
            if unroutable_event && self.keep_unroutable_events {
                published.kept.push(key);
            } else {
                published.confirmed.push(key);
            }
        }
        published
    }

    /// Called before the event is counted.
    fn tell_the_first_unroutable(&self, key: &OutboxKey, kind: OutgoingKind) {
        if self.health.metrics().publishing.unroutable_events() == 0 {
            let (event_id, order_id, kind) = (key.event_id, &key.order_id, kind.type_name());
            tracing::info!(%event_id, %order_id, kind, "An event has no subscriber; further ones are only counted");
        }
    }
}
