//! The consumer: from deliveries to settlements.
//!
//! [`run`] takes deliveries from a source, has them decoded at the [`edge`] and hands them to lanes,
//! one for each share of the orders. A lane handles what waits as a batch, decides by each outcome
//! how its message is [`settled`](settlement), and leaves what is to be published to its outbound.

pub mod edge;

mod consumer;
mod lane;
mod letters;
mod report;
pub mod settlement;
mod share;
pub mod tolerance;
mod work;

pub use consumer::{EVENT_PUBLISHERS, Ground, LaneDied, run};
pub use lane::ConsumerSettings;
pub use report::Report;
