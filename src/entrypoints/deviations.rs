//! Deviations from the contract that the decoder accepted: counted by publisher, and logged once for
//! each kind instead of for each message.

use crate::messages::Properties;
use crate::metrics::{DeviationCounts, Metrics};
use crate::service_layer::decode::Deviations;

impl From<Deviations> for DeviationCounts {
    fn from(deviations: Deviations) -> Self {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            unknown_fields: count(deviations.unknown_fields),
            coerced_fields: count(deviations.coerced_fields),
            differing_totals: deviations.total_differs.into(),
        }
    }
}

/// Counts the deviations of one message, and logs the first of each kind.
pub fn count(deviations: Deviations, properties: &Properties, metrics: &Metrics) {
    let counts = DeviationCounts::from(deviations);
    if counts == DeviationCounts::default() {
        return;
    }
    let message_id = properties.message_id.as_deref();
    let app_id = properties.app_id.as_deref();
    let before = metrics.deviations.totals();
    metrics.deviations.count(app_id, counts);
    if before.unknown_fields == 0 && counts.unknown_fields > 0 {
        tracing::info!(
            message_id,
            app_id,
            "A message has unknown fields; further messages are only counted"
        );
    }
    if before.coerced_fields == 0 && counts.coerced_fields > 0 {
        tracing::info!(
            message_id,
            app_id,
            "A message has numbers as text; further messages are only counted"
        );
    }
    if before.differing_totals == 0 && counts.differing_totals > 0 {
        tracing::info!(
            message_id,
            app_id,
            "An order's total is not the sum of its items; further orders are only counted"
        );
    }
}

/// Logs the totals, if there are any deviations.
pub fn log_totals(metrics: &Metrics) {
    let totals = metrics.deviations.totals();
    if totals != DeviationCounts::default() {
        tracing::info!(
            unknown_fields = totals.unknown_fields,
            coerced_fields = totals.coerced_fields,
            totals_that_differ = totals.differing_totals,
            "Messages deviated from the contract and were accepted"
        );
    }
}
