//! What the edge puts up with, by publisher: the drift of the contract.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use prometheus::{IntCounter, IntCounterVec, Registry};

use super::catalog;

/// Most publishers that are told from each other, by their property `app_id`. The first ones are;
/// all others are `other`, and those that do not say who they are `none`.
pub const MAX_PUBLISHERS: usize = 20;

/// Longest name of a publisher, in characters; what is longer is cut.
const MAX_NAME: usize = 64;

const OTHER: &str = "other";
const NONE: &str = "none";

/// For what publishers do otherwise than agreed.
#[derive(Debug)]
pub struct DeviationMetrics {
    unknown_fields: IntCounterVec,
    coerced_fields: IntCounterVec,
    differing_totals: IntCounterVec,
    prioritized: IntCounterVec,
    of_all: Counters,
    of_publishers: Mutex<HashMap<String, Counters>>,
}

/// What was put up with, in one message or in all.
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
    fn add(&self, tolerated: DeviationCounts) {
        self.unknown_fields.inc_by(tolerated.unknown_fields);
        self.coerced_fields.inc_by(tolerated.coerced_fields);
        self.differing_totals.inc_by(tolerated.differing_totals);
        self.prioritized.inc_by(tolerated.prioritized);
    }
}

impl DeviationMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let unseen =
            || IntCounter::new("all", "not shown: the sum of what is").expect("the name is valid");
        let drift = Self {
            unknown_fields: catalog::UNKNOWN_FIELDS.counters(registry),
            coerced_fields: catalog::COERCED_FIELDS.counters(registry),
            differing_totals: catalog::DIFFERING_TOTALS.counters(registry),
            prioritized: catalog::PRIORITIZED.counters(registry),
            of_all: Counters {
                unknown_fields: unseen(),
                coerced_fields: unseen(),
                differing_totals: unseen(),
                prioritized: unseen(),
            },
            of_publishers: Mutex::default(),
        };
        // They are 0 before there is anything to tell, so that the first one is seen as a change.
        drift.named(NONE);
        drift
    }

    /// A message of the publisher with this `app_id` was put up with.
    pub fn count(&self, app_id: Option<&str>, tolerated: DeviationCounts) {
        self.of_all.add(tolerated);
        self.of(app_id).add(tolerated);
    }

    /// What was put up with so far, of all publishers.
    pub fn so_far(&self) -> DeviationCounts {
        DeviationCounts {
            unknown_fields: self.of_all.unknown_fields.get(),
            coerced_fields: self.of_all.coerced_fields.get(),
            differing_totals: self.of_all.differing_totals.get(),
            prioritized: self.of_all.prioritized.get(),
        }
    }

    fn of(&self, app_id: Option<&str>) -> Counters {
        let Some(app_id) = app_id.filter(|app_id| !app_id.is_empty()) else {
            return self.named(NONE);
        };
        let mut publishers = self.of_publishers.lock().unwrap_or_else(PoisonError::into_inner);
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

/// A name as a label: not longer than it may be, and without what disturbs a terminal.
fn shortened(app_id: &str) -> String {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    app_id.chars().take(MAX_NAME).map(shown).collect()
}
