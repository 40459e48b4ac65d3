//! The versions of RabbitMQ that the simulated broker can be.

/// Where the versions that the worker supports differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerVersion {
    /// Consumers of a quorum queue have no priorities.
    V3,
    V4,
}

impl BrokerVersion {
    pub fn has_priorities(self) -> bool {
        self == Self::V4
    }
}
