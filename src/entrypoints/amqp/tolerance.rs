//! What the edge put up with: counted, and said once, so that a publisher's drift from the contract
//! is seen without a line for each of its messages.

use super::work::Work;

/// Counts since the consumer began.
#[derive(Debug, Default)]
pub struct Tolerance {
    unknown_fields: u64,
    coerced_fields: u64,
    totals_that_differ: u64,
}

impl Tolerance {
    /// Counts what was put up with in one message, and logs the first of each kind.
    pub fn count(&mut self, work: &Work) {
        let notes = work.decoded.notes;
        let properties = &work.delivery.properties;
        let message_id = properties.message_id.as_deref();
        let app_id = properties.app_id.as_deref();
        if is_first(&mut self.unknown_fields, notes.unknown_fields) {
            tracing::info!(
                message_id,
                app_id,
                "A message has unknown fields; further ones are only counted"
            );
        }
        if is_first(&mut self.coerced_fields, notes.coerced_fields) {
            tracing::info!(
                message_id,
                app_id,
                "A message has numbers as text; further ones are only counted"
            );
        }
        if is_first(&mut self.totals_that_differ, notes.total_differs.into()) {
            tracing::info!(
                message_id,
                app_id,
                "An order's total is not the sum of its items; further ones are only counted"
            );
        }
    }

    /// Logs the counts, if there is anything to tell.
    pub fn sum_up(&self) {
        let Self { unknown_fields, coerced_fields, totals_that_differ } = *self;
        if unknown_fields + coerced_fields + totals_that_differ > 0 {
            tracing::info!(
                unknown_fields,
                coerced_fields,
                totals_that_differ,
                "Put up with in messages"
            );
        }
    }
}

/// Adds to a count; whether it was nothing before.
fn is_first(count: &mut u64, more: usize) -> bool {
    let none_before = *count == 0;
    *count += u64::try_from(more).unwrap_or(u64::MAX);
    none_before && more > 0
}
