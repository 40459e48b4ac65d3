//! Dead letters: from their queue into the table, and from there back to the commands.

mod collector;
mod pace;
mod publication;
mod reading;
mod rehearsal;
mod replay;

pub use collector::collect;
pub use pace::{InvalidPace, Pace, interval};
pub use reading::{as_sent, pattern_of, read, subject_of};
pub use rehearsal::{Foresight, Prospect, Rehearsal};
pub use replay::{Progress, Replay, ReplayLimits, Replayed, abandoned_before};
