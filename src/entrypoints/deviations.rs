//! What the edge put up with: counted by publisher, and said once, so that a publisher's drift from
//! the contract is seen without a line for each of its messages.

use crate::metrics::{DeviationCounts, Metrics};
use crate::service_layer::Properties;
use crate::service_layer::decode::Deviations;

impl From<Deviations> for DeviationCounts {
    fn from(notes: Deviations) -> Self {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            unknown_fields: count(notes.unknown_fields),
            coerced_fields: count(notes.coerced_fields),
            differing_totals: notes.total_differs.into(),
        }
    }
}

/// Counts what was put up with in one message, and logs the first of each kind.
pub fn count(notes: Deviations, properties: &Properties, metrics: &Metrics) {
    let here = DeviationCounts::from(notes);
    if here == DeviationCounts::default() {
        return;
    }
    let message_id = properties.message_id.as_deref();
    let app_id = properties.app_id.as_deref();
    let before = metrics.drift.so_far();
    metrics.drift.count(app_id, here);
    if before.unknown_fields == 0 && here.unknown_fields > 0 {
        tracing::info!(
            message_id,
            app_id,
            "A message has unknown fields; further ones are only counted"
        );
    }
    if before.coerced_fields == 0 && here.coerced_fields > 0 {
        tracing::info!(
            message_id,
            app_id,
            "A message has numbers as text; further ones are only counted"
        );
    }
    if before.differing_totals == 0 && here.differing_totals > 0 {
        tracing::info!(
            message_id,
            app_id,
            "An order's total is not the sum of its items; further ones are only counted"
        );
    }
}

/// Logs the counts, if there is anything to tell.
pub fn sum_up(metrics: &Metrics) {
    let all = metrics.drift.so_far();
    if all != DeviationCounts::default() {
        tracing::info!(
            unknown_fields = all.unknown_fields,
            coerced_fields = all.coerced_fields,
            totals_that_differ = all.differing_totals,
            "Deviations in messages were tolerated"
        );
    }
}
