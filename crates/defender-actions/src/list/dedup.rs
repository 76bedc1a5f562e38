//! Memory of earlier rows of a list, in bounded size.

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hash, RandomState},
};

/// Minimum number of latest hashes that are stored, which is the rows of ten of the service's largest pages. The maximum is twice as
/// many.
const CAPACITY: usize = 100_000;

/// Set of the latest rows of a list.
///
/// Each row is stored as a hash of 64 bits: 2 MB at most, for names of any length. Each list has its own random key, so that an
/// attacker cannot choose names with equal hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowDedup {
    key: RandomState,
    latest: HashSet<u64>,
    older: HashSet<u64>,
}

impl RowDedup {
    /// Returns the hash of a value with the key of this list.
    pub(crate) fn hash(&self, value: impl Hash) -> u64 {
        self.key.hash_one(value)
    }

    /// Returns whether the hash was inserted before.
    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.latest.contains(&hash) || self.older.contains(&hash)
    }

    /// Inserts a hash, and removes the oldest if there are too many.
    pub(crate) fn insert(&mut self, hash: u64) {
        if self.latest.len() >= CAPACITY {
            self.older = std::mem::take(&mut self.latest);
        }
        self.latest.insert(hash);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dedup_memory_is_bounded() {
        let mut dedup = RowDedup::default();
        for row in 0..450_000_u64 {
            let hash = dedup.hash(row);
            dedup.insert(hash);
        }
        assert!((350_000..450_000).all(|row: u64| dedup.contains(dedup.hash(row))));
        assert!(!dedup.contains(dedup.hash(0_u64)) && !dedup.contains(dedup.hash(450_000_u64)));
        assert!(dedup.latest.len() + dedup.older.len() <= 2 * CAPACITY);
    }

    #[test]
    fn each_list_has_its_own_key() {
        assert_ne!(RowDedup::default().hash("a"), RowDedup::default().hash("a"));
    }
}
