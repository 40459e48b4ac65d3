//! The major version of the broker, from the server properties of `connection.start`. The topology
//! depends on it: some queue arguments mean something else before 4.0.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The major version that the last connection reported; clones share it. 0 while it is unknown.
#[derive(Debug, Clone, Default)]
pub struct BrokerVersion(Arc<AtomicU32>);

impl BrokerVersion {
    /// Stores the major version of a string such as `3.10.8`; a string without one is ignored.
    pub(super) fn set(&self, version: Option<&str>) {
        let major = version.and_then(|version| version.split('.').next()?.parse().ok());
        if let Some(major) = major {
            self.0.store(major, Ordering::Relaxed);
        }
    }

    /// Whether the broker is known to have this major version or a later one.
    pub fn is_at_least(&self, major: u32) -> bool {
        self.0.load(Ordering::Relaxed) >= major
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_compared() {
        for (version, is_four) in
            [("3.13.7", false), ("4.0.0", true), ("10.1", true), ("4", true), ("v5", false)]
        {
            let known = BrokerVersion::default();
            known.set(Some(version));
            assert_eq!(known.is_at_least(4), is_four, "{version}");
        }
    }

    #[test]
    fn a_broker_without_a_version_counts_as_old() {
        let unknown = BrokerVersion::default();
        unknown.set(None);

        assert!(!unknown.is_at_least(4));
    }
}
