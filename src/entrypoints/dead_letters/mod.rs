//! Dead letters: from their queue into the table, and from there back to the commands.

mod actor;
mod checked_edit;
mod collector;
mod dry_run;
mod format;
pub mod jobs;
mod parse;
mod publication;
mod replay;
mod replay_schedule;
mod replayed;
mod selection;

pub use actor::{Actor, Decision};
pub use checked_edit::CheckedEdit;
pub use collector::collect;
pub use dry_run::{DryRun, DryRunOutcome, DryRunResult};
pub use format::{difference, indented, readable};
pub use parse::{as_sent, pattern_of, read, subject_of};
pub use replay::{Progress, Replay, ReplayLimits, abandoned_before};
pub use replay_schedule::{InvalidReplaySchedule, ReplaySchedule, interval};
pub use replayed::Replayed;
pub use selection::{Age, alike, present_order, replayable_ids};
