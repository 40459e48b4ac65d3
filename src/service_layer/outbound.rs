//! The way out of a lane: publishes what its batches leave, window by window, in their order.

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::{
    DeadLetterCode, Health, OutboxKey, Outgoing, Publication, Publisher, Settlement, Settlements,
    Tag, Verdict, publish_all,
};
use crate::kill_points;
use crate::telemetry;

/// What one batch leaves to be published.
#[derive(Debug, Default)]
pub struct Window {
    /// From the outbox, where they stay until they are confirmed.
    pub outgoing: Vec<Outgoing>,
    pub forwards: Vec<Forward>,
    /// When the batch was committed.
    pub committed_at: Option<Instant>,
}

/// Copies of a message (and answers about it) that must be confirmed before it is acknowledged.
#[derive(Debug)]
pub struct Forward {
    pub tag: Tag,
    pub copies: Vec<Publication>,
    /// What the message becomes with them, if they make a dead letter of it.
    pub dead_letter: Option<DeadLetterCode>,
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
    pub settlements: Settlements,
    pub windows: mpsc::Receiver<Window>,
    pub published: mpsc::UnboundedSender<Published>,
    pub keep_unroutable_events: bool,
}

impl<P: Publisher> Outbound<P> {
    /// Runs until the lane has ended and all its windows are published.
    pub async fn run(mut self) {
        while let Some(window) = self.windows.recv().await {
            self.publish(window).await;
        }
    }

    async fn publish(&mut self, window: Window) {
        let Window { outgoing, forwards, committed_at } = window;
        let mut publications: Vec<Publication> = outgoing.iter().map(Publication::from).collect();
        let mut acks = Vec::with_capacity(forwards.len());
        let mut dead_letters = Vec::new();
        for Forward { tag, copies, dead_letter } in forwards {
            publications.extend(copies);
            acks.push(Settlement::Ack(tag));
            dead_letters.extend(dead_letter);
        }
        let committed_at = committed_at.filter(|_| !publications.is_empty());
        kill_points::reached("publishing");
        let span = tracing::debug_span!("publish", otel.name = Empty, otel.kind = Empty);
        telemetry::describe_publishing(&span, publications.len());
        let publishing = publish_all(&mut self.publisher, &self.health, publications);
        let verdicts = publishing.instrument(span).await;
        kill_points::reached("confirmed");
        let publishing = &self.health.metrics().publishing;
        for code in dead_letters {
            publishing.dead_lettered(code);
        }
        if let Some(committed_at) = committed_at {
            publishing.confirmed_after(committed_at.elapsed());
        }
        if !acks.is_empty() {
            // Without a source to take it, the message comes again: a copy more, none less.
            let _ = self.settlements.send(acks);
        }
        let published = self.sorted(outgoing, &verdicts);
        // The lane waits for it until its own end.
        let _ = self.published.send(published);
    }

    fn sorted(&self, outgoing: Vec<Outgoing>, verdicts: &[Verdict]) -> Published {
        let mut published = Published::default();
        for (outgoing, verdict) in outgoing.into_iter().zip(verdicts) {
            let unroutable_event = *verdict == Verdict::Unroutable && outgoing.is_event();
            if unroutable_event {
                self.tell_the_first_unroutable(&outgoing);
            }
            self.health.metrics().publishing.judged(outgoing.kind, *verdict);
            if unroutable_event && self.keep_unroutable_events {
                published.kept.push(outgoing.key);
            } else {
                published.confirmed.push(outgoing.key);
            }
        }
        published
    }

    /// Called before the event is counted.
    fn tell_the_first_unroutable(&self, event: &Outgoing) {
        if self.health.metrics().publishing.unroutable_events() == 0 {
            let (event_id, routing_key) = (event.key.event_id, &event.routing_key);
            tracing::info!(%event_id, routing_key, "An event has no subscriber; further ones are only counted");
        }
    }
}
