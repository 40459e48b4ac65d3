//! Dead letters: collected from their queue into the table, and replayed from there to the commands
//! exchange. The use cases of both the command line and the console.

mod actor;
mod checked_edit;
mod collector;
mod dead_letter;
mod dry_run;
pub mod headers;
pub mod jobs;
mod parse;
mod properties_json;
mod publication;
mod replay;
mod replay_outcome;
mod replay_schedule;
mod retention;
mod selection;
mod store;

pub use actor::{Actor, Decision};
pub use checked_edit::CheckedEdit;
pub use collector::collect;
pub use dead_letter::{
    DeadLetter, DeadLetterCount, DeadLetterCursor, DeadLetterFilter, DeadLetterGroup,
    DeadLetterKey, DeadLetterRecord, DeadLetterState, DeadLetterSummary, Reason, Subject,
};
pub use dry_run::{DryRun, DryRunOutcome, DryRunResult};
pub use parse::{as_sent, pattern_of, read, subject_of};
pub use properties_json::{Base64, properties_from_json, properties_to_json};
pub use replay::{Replay, ReplayLimits, ReplayResult, abandoned_before};
pub use replay_outcome::ReplayOutcome;
pub use replay_schedule::{InvalidReplaySchedule, ReplaySchedule, interval};
pub use retention::{RetentionPeriods, prune_forever};
pub use selection::{Age, alike, current_order, replayable_ids};
pub use store::{AuditAction, AuditEntry, DeadLetterStore, Pruned, Retention, Revision};
