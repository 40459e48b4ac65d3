//! A broker within the process: nothing to install, and nothing is kept after the process ends.
//!
//! It behaves like a broker towards the worker: it delivers commands up to the prefetch and keeps
//! them until they are acknowledged, redelivers retries after their delay, sends events to
//! subscribers and keeps dead letters. It is not durable: commands that are unsettled when the
//! process ends are lost, while what they changed is in the database.

mod broker;
mod publisher;

pub use broker::{InProcessBroker, Submitted};
pub use publisher::InProcessPublisher;
