//! The version of the broker, from the server properties of `connection.start`. The topology depends
//! on it: some queue arguments mean something else before 4.0.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The version that the last connection reported; clones share it.
#[derive(Debug, Clone, Default)]
pub struct BrokerVersion(Arc<Mutex<Option<String>>>);

impl BrokerVersion {
    /// Stores a version such as `3.10.8`.
    pub(super) fn set(&self, version: Option<&str>) {
        if let Some(version) = version {
            *self.lock() = Some(version.to_owned());
        }
    }

    /// The version; `None` while it is unknown.
    pub fn text(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Whether the broker is known to have this major version or a later one.
    pub fn is_at_least(&self, major: u32) -> bool {
        let known =
            self.lock().as_deref().and_then(|version| version.split('.').next()?.parse().ok());
        known.is_some_and(|known: u32| known >= major)
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
