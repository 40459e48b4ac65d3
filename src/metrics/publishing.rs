//! What goes out.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, Registry};

use super::{Spread, catalog};
use crate::service_layer::{DeadLetterCode, OutgoingKind, Verdict};

/// For events, answers and dead letters.
#[derive(Debug)]
pub struct Publishing {
    /// By kind.
    published: [IntCounter; 3],
    unroutable: [IntCounter; 3],
    relayed: IntCounter,
    dead_letters: IntCounterVec,
    confirm_seconds: Histogram,
}

impl Publishing {
    pub(super) fn new(registry: &Registry) -> Self {
        let of_each_kind = |counters: IntCounterVec| {
            OutgoingKind::ALL.map(|kind| counters.with_label_values(&[kind.type_name()]))
        };
        let publishing = Self {
            published: of_each_kind(catalog::PUBLISHED.counters(registry)),
            unroutable: of_each_kind(catalog::UNROUTABLE.counters(registry)),
            relayed: catalog::RELAYED.counters(registry).with_label_values::<&str>(&[]),
            dead_letters: catalog::DEAD_LETTERS.counters(registry),
            confirm_seconds: catalog::CONFIRM_SECONDS
                .histograms(registry)
                .with_label_values::<&str>(&[]),
        };
        for code in DeadLetterCode::ALL {
            publishing.dead_letters.with_label_values(&[code.slug()]);
        }
        publishing
    }

    /// The broker has judged a message of the outbox.
    pub fn judged(&self, kind: OutgoingKind, verdict: Verdict) {
        let counters = match verdict {
            Verdict::Confirmed => &self.published,
            Verdict::Unroutable => &self.unroutable,
        };
        counters[kind as usize].inc();
    }

    /// How many events so far had no subscriber.
    #[must_use]
    pub fn unroutable_events(&self) -> u64 {
        let events = OutgoingKind::ALL.into_iter().filter(|kind| kind.is_event());
        events.map(|kind| self.unroutable[kind as usize].get()).sum()
    }

    pub(super) fn all_published(&self) -> u64 {
        self.published.iter().map(IntCounter::get).sum()
    }

    pub(super) fn dead_letters_by_code(&self) -> BTreeMap<&'static str, u64> {
        let codes = DeadLetterCode::ALL.map(DeadLetterCode::slug).into_iter();
        codes.map(|code| (code, self.dead_letters.with_label_values(&[code]).get())).collect()
    }

    pub(super) fn confirm_seconds(&self) -> Spread {
        Spread::of([&self.confirm_seconds])
    }

    /// The relay took messages out of the outbox.
    pub fn relayed(&self, messages: usize) {
        self.relayed.inc_by(messages as u64);
    }

    /// A message is confirmed to be with the dead letters.
    pub fn dead_lettered(&self, code: DeadLetterCode) {
        self.dead_letters.with_label_values(&[code.slug()]).inc();
    }

    /// All that a batch left to be published is confirmed, so long after its commit.
    pub fn confirmed_after(&self, took: Duration) {
        self.confirm_seconds.observe(took.as_secs_f64());
    }
}
