//! Events, replies, and copies of commands that the worker publishes.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, Registry};

use super::{HistogramSnapshot, catalog};
use crate::messages::{DeadLetterCode, DropReason, OutboxMessageKind, PublishStatus};

/// The metrics of publishing.
#[derive(Debug)]
pub struct Publishing {
    /// By kind.
    published: [IntCounter; 3],
    unroutable: [IntCounter; 3],
    /// By reason.
    kept: IntCounterVec,
    copies_kept: IntCounterVec,
    replies_dropped: IntCounterVec,
    relayed: IntCounter,
    dead_letters: IntCounterVec,
    confirm_seconds: Histogram,
}

impl Publishing {
    pub(super) fn new(registry: &Registry) -> Self {
        let of_each_kind = |counters: IntCounterVec| {
            OutboxMessageKind::ALL.map(|kind| counters.with_label_values(&[kind.type_name()]))
        };
        let publishing = Self {
            published: of_each_kind(catalog::PUBLISHED.counters(registry)),
            unroutable: of_each_kind(catalog::UNROUTABLE.counters(registry)),
            kept: catalog::EVENTS_KEPT.counters(registry),
            copies_kept: catalog::COPIES_KEPT.counters(registry),
            replies_dropped: catalog::REPLIES_DROPPED.counters(registry),
            relayed: catalog::RELAYED.counters(registry).with_label_values::<&str>(&[]),
            dead_letters: catalog::DEAD_LETTERS.counters(registry),
            confirm_seconds: catalog::CONFIRM_SECONDS
                .histograms(registry)
                .with_label_values::<&str>(&[]),
        };
        for code in DeadLetterCode::ALL {
            publishing.dead_letters.with_label_values(&[code.as_str()]);
        }
        for status in [PublishStatus::Refused, PublishStatus::Unconfirmed] {
            publishing.kept.with_label_values(&[status.as_str()]);
            publishing.copies_kept.with_label_values(&[status.as_str()]);
        }
        publishing.copies_kept.with_label_values(&[PublishStatus::Unroutable.as_str()]);
        for reason in DropReason::ALL {
            publishing.replies_dropped.with_label_values(&[reason.as_str()]);
        }
        publishing
    }

    /// Counts a publish status of an event, or the final one of a reply.
    pub fn record_status(&self, kind: OutboxMessageKind, status: PublishStatus) {
        match status {
            PublishStatus::Confirmed => self.published[kind as usize].inc(),
            PublishStatus::Unroutable => self.unroutable[kind as usize].inc(),
            PublishStatus::Refused | PublishStatus::Unconfirmed if kind.is_event() => {
                self.kept.with_label_values(&[status.as_str()]).inc();
            }
            // Counted when the reply is dropped.
            PublishStatus::Refused | PublishStatus::Unconfirmed | PublishStatus::OwnQueue => {}
        }
    }

    /// A copy of a command was not confirmed.
    pub fn record_copy_failure(&self, status: PublishStatus) {
        self.copies_kept.with_label_values(&[status.as_str()]).inc();
    }

    pub fn record_dropped_reply(&self, reason: DropReason) {
        self.replies_dropped.with_label_values(&[reason.as_str()]).inc();
    }

    /// The number of events without a subscriber so far.
    pub fn unroutable_events(&self) -> u64 {
        let events = OutboxMessageKind::ALL.into_iter().filter(|kind| kind.is_event());
        events.map(|kind| self.unroutable[kind as usize].get()).sum()
    }

    pub(super) fn all_published(&self) -> u64 {
        self.published.iter().map(IntCounter::get).sum()
    }

    pub(super) fn dead_letters_by_code(&self) -> BTreeMap<&'static str, u64> {
        let codes = DeadLetterCode::ALL.map(DeadLetterCode::as_str).into_iter();
        codes.map(|code| (code, self.dead_letters.with_label_values(&[code]).get())).collect()
    }

    pub(super) fn confirm_seconds(&self) -> HistogramSnapshot {
        HistogramSnapshot::of([&self.confirm_seconds])
    }

    /// The relay took messages out of the outbox.
    pub fn relayed(&self, messages: usize) {
        self.relayed.inc_by(messages as u64);
    }

    /// The broker confirmed a dead letter.
    pub fn dead_lettered(&self, code: DeadLetterCode) {
        self.dead_letters.with_label_values(&[code.as_str()]).inc();
    }

    /// The broker has responded to all events of a batch; `took` since its commit.
    pub fn observe_confirm(&self, took: Duration) {
        self.confirm_seconds.observe(took.as_secs_f64());
    }
}
