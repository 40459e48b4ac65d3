//! Dead letters: from their queue into the table, and from there back to the commands. What the
//! command line and the console do with them is here, once for both.

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
mod replay_schedule;
mod replayed;
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
pub use replay::{Progress, Replay, ReplayLimits, abandoned_before};
pub use replay_schedule::{InvalidReplaySchedule, ReplaySchedule, interval};
pub use replayed::Replayed;
pub use retention::{RetentionPeriods, prune_for_ever};
pub use selection::{Age, alike, present_order, replayable_ids};
pub use store::{AuditAction, AuditEntry, DeadLetterStore, Pruned, Retention, Revision};
