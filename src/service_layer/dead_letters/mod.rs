//! Dead letters: kept, looked into, mended, replayed, given up.

mod dead_letter;
pub mod headers;
mod properties_json;
mod retention;
mod store;

pub use dead_letter::{
    DeadLetter, DeadLetterCount, DeadLetterCursor, DeadLetterFilter, DeadLetterGroup,
    DeadLetterKey, DeadLetterRecord, DeadLetterState, DeadLetterSummary, Reason, Subject,
};
pub use properties_json::{Base64, properties_from_json, properties_to_json};
pub use retention::{RetentionPeriods, prune_for_ever};
pub use store::{AuditAction, AuditEntry, DeadLetterStore, Pruned, Retention, Revision};
