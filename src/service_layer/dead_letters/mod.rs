//! Dead letters: kept, looked into, mended, replayed, given up.

pub mod headers;
mod letter;
mod properties_json;
mod retention;
mod store;

pub use letter::{
    Letter, LetterCount, LetterFilter, LetterGroup, LetterKey, LetterPlace, LetterState,
    LetterSummary, Reason, StoredLetter, Subject,
};
pub use properties_json::{Base64, properties_from_json, properties_to_json};
pub use retention::{RetentionPeriods, prune_for_ever};
pub use store::{ActionKind, DeadLetterStore, LetterAction, Pruned, Retention, Revision};
