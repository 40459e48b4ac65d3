//! The consumer: from deliveries to settlements.
//!
//! [`run`] takes deliveries from a source, has them [decoded](crate::service_layer::decode) and hands them to lanes,
//! one for each share of the orders. A lane handles what waits as a batch, decides by each outcome
//! how its message is [`settled`](settlement), and leaves what is to be published to its outbound.

mod consumer;
mod decoded_delivery;
mod lane;
mod report;
mod republish;
pub mod settlement;
mod share;

pub use consumer::{ConsumerDeps, EVENT_PUBLISHERS, LaneDied, LanePorts, run};
pub use lane::ConsumerSettings;
pub use report::Report;
