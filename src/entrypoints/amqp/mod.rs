//! The consumer of the commands queue.
//!
//! [`run`] receives deliveries from a source, [decodes](crate::service_layer::decode) them and
//! passes them to [lanes](crate::entrypoints::lane), each with its share of the orders. What
//! happens to a delivery depends on its outcome only, see [`disposition`].

mod consumer;
mod decoded_delivery;
pub mod disposition;
mod hash_partition;
mod outcome_log;
mod queue_outcomes;
mod republish;

pub use consumer::{ConsumerDeps, ConsumerSettings, EVENT_PUBLISHERS, LaneDied, LanePorts, run};
