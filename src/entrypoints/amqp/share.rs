//! Who of several takes what.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The share, of `shares`: always the same for the same thing.
pub fn share(thing: impl Hash, shares: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    let shares = u64::try_from(shares).unwrap_or(1).max(1);
    usize::try_from(hasher.finish() % shares).unwrap_or(0)
}
