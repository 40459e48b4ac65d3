//! The consumer of the commands queue: from deliveries to settlements.
//!
//! [`run`] takes deliveries from a source, has them [decoded](crate::service_layer::decode) and passes
//! them to [lanes](crate::entrypoints::lane), each with its share of the orders. What happens to a
//! message is decided by its outcome alone, see [`disposition`].

mod consumer;
mod decoded_delivery;
pub mod disposition;
mod hash_partition;
mod outcome_log;
mod queue_outcomes;
mod republish;

pub use consumer::{ConsumerDeps, ConsumerSettings, EVENT_PUBLISHERS, LaneDied, LanePorts, run};
