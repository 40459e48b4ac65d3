//! Distribution to lanes and publishers by hash.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The index of the key's partition, below `partitions`. Stable only within this process.
pub fn hash_partition(key: impl Hash, partitions: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let partitions = u64::try_from(partitions).unwrap_or(1).max(1);
    usize::try_from(hasher.finish() % partitions).unwrap_or(0)
}
