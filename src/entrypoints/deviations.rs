//! Deviations from the contract that the decoder accepted: counted by publisher, and logged once for
//! each kind instead of for each message.

use crate::messages::Properties;
use crate::metrics::{DeviationCounts, Metrics};
use crate::service_layer::decode::Deviations;

/// The priority of a message without one. RabbitMQ 4.3 delivers higher ones before it, and lower ones
/// after it; of the commands of one order as well. Retries and replays have no priority.
const DEFAULT_PRIORITY: u8 = 4;

fn counts_of(deviations: Deviations, properties: &Properties) -> DeviationCounts {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let priority = properties.priority.unwrap_or(DEFAULT_PRIORITY);
    DeviationCounts {
        unknown_fields: count(deviations.unknown_fields),
        coerced_fields: count(deviations.coerced_fields),
        differing_totals: deviations.total_differs.into(),
        prioritized: (priority != DEFAULT_PRIORITY).into(),
    }
}

/// Counts the deviations of one message, and logs the first of each kind.
pub fn count(deviations: Deviations, properties: &Properties, metrics: &Metrics) {
    let counts = counts_of(deviations, properties);
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
    if before.prioritized == 0 && counts.prioritized > 0 {
        tracing::warn!(
            message_id,
            app_id,
            priority = properties.priority,
            "A message has a priority, which may reorder the commands of an order; further ones are only counted"
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
            messages_with_priority = totals.prioritized,
            "Messages deviated from the contract and were accepted"
        );
    }
}
