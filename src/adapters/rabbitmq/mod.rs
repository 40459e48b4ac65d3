//! The transport on RabbitMQ (3.10 to 4.3) with lapin.
//!
//! A connection for each queue that is consumed, one that publishes, one for replies, and one that asks
//! for depths: a broker short of memory blocks connections that publish, and a blocked one would hold
//! back acknowledgements as well; a queue that stands still blocks the one that publishes to it.
//! Whatever breaks is dropped and built anew; nothing is recovered in place.

mod ack_tracker;
mod admin;
mod confirms;
mod connection;
mod consumer;
pub mod intake;
pub mod properties;
mod publisher;
mod queue_stats;
mod repartition;
mod resource;
mod subscriber;
mod topology;
mod window;

pub use connection::{RabbitError, RabbitMq};
pub use publisher::RabbitPublisher;
pub use queue_stats::RabbitDepths;
pub use repartition::{OldQueues, Repartition};
pub use subscriber::{Received, Subscription};
pub use topology::{Finding, ResourceStatus, Topology};
