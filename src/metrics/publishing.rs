//! What goes out.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, Registry};

use super::{HistogramSnapshot, catalog};
use crate::messages::{DeadLetterCode, DropReason, OutboxMessageKind, PublishStatus};

/// For events, answers and dead letters.
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

    /// The broker has judged an event, or a reply for the last time.
    pub fn judged(&self, kind: OutboxMessageKind, status: PublishStatus) {
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

    /// A copy of a command was not taken.
    pub fn copy_kept(&self, status: PublishStatus) {
        self.copies_kept.with_label_values(&[status.as_str()]).inc();
    }

    /// A reply was given up.
    pub fn reply_dropped(&self, reason: DropReason) {
        self.replies_dropped.with_label_values(&[reason.as_str()]).inc();
    }

    /// How many events so far had no subscriber.
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

    /// A message is confirmed to be with the dead letters.
    pub fn dead_lettered(&self, code: DeadLetterCode) {
        self.dead_letters.with_label_values(&[code.as_str()]).inc();
    }

    /// All that a batch left to be published is confirmed, so long after its commit.
    pub fn confirmed_after(&self, took: Duration) {
        self.confirm_seconds.observe(took.as_secs_f64());
    }
}
