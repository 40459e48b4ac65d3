//! Dead letters: kept, looked into, mended, replayed, given up.

mod letter;
mod store;

pub use letter::{
    Letter, LetterFilter, LetterGroup, LetterKey, LetterState, Reason, StoredLetter, Subject,
};
pub use store::{ActionKind, DeadLetterStore, LetterAction, Pruned, Retention, Revision};
