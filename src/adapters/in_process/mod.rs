//! The transport within one process: nothing to install, nothing kept after the end.
//!
//! Behaves towards the worker as a broker does: commands are handed out up to a prefetch and stay
//! until they are acknowledged, a retry comes back after its delay, events go to whoever
//! subscribed, dead letters are kept. What it cannot give is durability: commands that are not
//! settled when the process ends are lost with it (what they changed is in the database).

mod broker;
mod publisher;

pub use broker::{InProcessBroker, Submitted};
pub use publisher::InProcessPublisher;
