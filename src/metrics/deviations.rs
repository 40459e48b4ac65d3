//! Deviations from the contract that the decoder accepted, by publisher.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use prometheus::{IntCounter, IntCounterVec, Registry};

use super::catalog;

/// Maximum publishers with a label of their own, by their property `app_id`. All after the first ones
/// are `other`; publishers without the property are `none`.
pub const MAX_PUBLISHERS: usize = 20;

/// Maximum length of the label, in characters.
const MAX_NAME: usize = 64;

const OTHER: &str = "other";
const NONE: &str = "none";

/// The metrics of deviations.
#[derive(Debug)]
pub struct DeviationMetrics {
    unknown_fields: IntCounterVec,
    coerced_fields: IntCounterVec,
    differing_totals: IntCounterVec,
    prioritized: IntCounterVec,
    all: Counters,
    by_publisher: Mutex<HashMap<String, Counters>>,
}

/// The deviations in one message, or in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviationCounts {
    pub unknown_fields: u64,
    pub coerced_fields: u64,
    pub differing_totals: u64,
    /// Messages with another priority than the default one.
    pub prioritized: u64,
}

#[derive(Debug, Clone)]
struct Counters {
    unknown_fields: IntCounter,
    coerced_fields: IntCounter,
    differing_totals: IntCounter,
    prioritized: IntCounter,
}

impl Counters {
    fn add(&self, counts: DeviationCounts) {
        self.unknown_fields.inc_by(counts.unknown_fields);
        self.coerced_fields.inc_by(counts.coerced_fields);
        self.differing_totals.inc_by(counts.differing_totals);
        self.prioritized.inc_by(counts.prioritized);
    }
}

impl DeviationMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let unexposed = || {
            IntCounter::new("all", "not exposed: the sum over all publishers")
                .expect("the name is valid")
        };
        let deviations = Self {
            unknown_fields: catalog::UNKNOWN_FIELDS.counters(registry),
            coerced_fields: catalog::COERCED_FIELDS.counters(registry),
            differing_totals: catalog::DIFFERING_TOTALS.counters(registry),
            prioritized: catalog::PRIORITIZED.counters(registry),
            all: Counters {
                unknown_fields: unexposed(),
                coerced_fields: unexposed(),
                differing_totals: unexposed(),
                prioritized: unexposed(),
            },
            by_publisher: Mutex::default(),
        };
        // Exposes them as 0, so that `increase` sees the first deviation.
        deviations.named(NONE);
        deviations
    }

    /// Counts the deviations of a message from the publisher with this `app_id`.
    pub fn count(&self, app_id: Option<&str>, counts: DeviationCounts) {
        self.all.add(counts);
        self.of(app_id).add(counts);
    }

    /// The sum over all publishers.
    pub fn totals(&self) -> DeviationCounts {
        DeviationCounts {
            unknown_fields: self.all.unknown_fields.get(),
            coerced_fields: self.all.coerced_fields.get(),
            differing_totals: self.all.differing_totals.get(),
            prioritized: self.all.prioritized.get(),
        }
    }

    fn of(&self, app_id: Option<&str>) -> Counters {
        let Some(app_id) = app_id.filter(|app_id| !app_id.is_empty()) else {
            return self.named(NONE);
        };
        let mut publishers = self.by_publisher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = publishers.get(app_id) {
            return known.clone();
        }
        if publishers.len() >= MAX_PUBLISHERS {
            return self.named(OTHER);
        }
        let counters = self.named(&shortened(app_id));
        publishers.insert(app_id.to_owned(), counters.clone());
        counters
    }

    fn named(&self, publisher: &str) -> Counters {
        let of = |counters: &IntCounterVec| counters.with_label_values(&[publisher]);
        Counters {
            unknown_fields: of(&self.unknown_fields),
            coerced_fields: of(&self.coerced_fields),
            differing_totals: of(&self.differing_totals),
            prioritized: of(&self.prioritized),
        }
    }
}

/// The label for an `app_id`: cut to length, with control characters replaced.
fn shortened(app_id: &str) -> String {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    app_id.chars().take(MAX_NAME).map(shown).collect()
}
