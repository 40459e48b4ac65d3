//! Which RabbitMQ it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The version of the broker as its connections say it; clones share it.
#[derive(Debug, Clone, Default)]
pub struct BrokerVersion(Arc<AtomicU32>);

impl BrokerVersion {
    /// Takes over the major number of `3.10.8`; without one the version stays unknown.
    pub(super) fn note(&self, version: Option<&str>) {
        let major = version.and_then(|version| version.split('.').next()?.parse().ok());
        if let Some(major) = major {
            self.0.store(major, Ordering::Relaxed);
        }
    }

    /// Whether it is known to be this major version or a later one.
    pub fn is_at_least(&self, major: u32) -> bool {
        self.0.load(Ordering::Relaxed) >= major
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_number_counts() {
        for (version, is_four) in
            [("3.13.7", false), ("4.0.0", true), ("10.1", true), ("4", true), ("v5", false)]
        {
            let known = BrokerVersion::default();
            known.note(Some(version));
            assert_eq!(known.is_at_least(4), is_four, "{version}");
        }
    }

    #[test]
    fn what_says_no_version_is_old() {
        let unknown = BrokerVersion::default();
        unknown.note(None);

        assert!(!unknown.is_at_least(4));
    }
}
