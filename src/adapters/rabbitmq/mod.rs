//! The transport on RabbitMQ (3.10 to 4.3) with lapin.
//!
//! There is one connection per consumed queue, one for publishing, one for replies and one for
//! queue depths. They are separate because RabbitMQ blocks whole connections: a memory or disk
//! alarm blocks those that publish, and acknowledgements on a blocked connection would not be read;
//! flow control for a queue that accepts nothing slows down every publisher on the same connection.
//!
//! After an error, a connection or channel is dropped and opened again; nothing is recovered in
//! place.

mod ack_tracker;
mod admin;
mod confirms;
mod connection;
mod consumer;
mod definitions;
mod delivery_order;
mod errors;
mod hosts;
pub mod intake;
mod probe;
pub mod properties;
mod publish_batch;
mod publisher;
mod queue_stats;
mod repartition;
mod resource;
mod subscriber;
mod topology;
mod url_parameters;

pub use connection::RabbitMq;
pub use errors::RabbitError;
pub use probe::RabbitProbe;
pub use publisher::RabbitPublisher;
pub use queue_stats::RabbitDepths;
pub use repartition::{OldQueues, Repartition};
pub use subscriber::{Received, Subscription};
pub use topology::Topology;
