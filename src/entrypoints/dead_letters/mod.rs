//! Dead letters: from their queue into the table, and from there back to the commands.

mod actor;
mod choosing;
mod collector;
pub mod jobs;
mod mending;
mod pace;
mod publication;
mod readable;
mod reading;
mod rehearsal;
mod replay;
mod replayed;

pub use actor::{Actor, Decision};
pub use choosing::{Age, alike, present_order, replayable_ids};
pub use collector::collect;
pub use mending::Mending;
pub use pace::{InvalidPace, Pace, interval};
pub use readable::{difference, indented, readable};
pub use reading::{as_sent, pattern_of, read, subject_of};
pub use rehearsal::{Foresight, Prospect, Rehearsal};
pub use replay::{Progress, Replay, ReplayLimits, abandoned_before};
pub use replayed::Replayed;
