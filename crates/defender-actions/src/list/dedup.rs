//! Memory of a list: what came before, in bounded room.

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hash, RandomState},
};

/// At least this many of the latest are remembered, and at most twice as many: the rows of ten of the service's largest pages.
const MOST: usize = 100_000;

/// What came before in a list, the latest of it.
///
/// It is remembered by a hash of 64 bits, 2 MB at most whatever the length of the names. Each list has a key of its own, so that
/// nobody can choose names that are taken for each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowDedup {
    key: RandomState,
    latest: HashSet<u64>,
    older: HashSet<u64>,
}

impl RowDedup {
    /// Returns the hash under which this is remembered.
    pub(crate) fn hash(&self, what: impl Hash) -> u64 {
        self.key.hash_one(what)
    }

    /// Returns whether it came before.
    pub(crate) fn has(&self, hash: u64) -> bool {
        self.latest.contains(&hash) || self.older.contains(&hash)
    }

    /// Remembers it, and forgets the oldest where there are too many.
    pub(crate) fn note(&mut self, hash: u64) {
        if self.latest.len() >= MOST {
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
    fn latest_are_remembered_in_bounded_room() {
        let mut seen = RowDedup::default();
        for row in 0..450_000_u64 {
            let hash = seen.hash(row);
            seen.note(hash);
        }
        assert!((350_000..450_000).all(|row: u64| seen.has(seen.hash(row))));
        assert!(!seen.has(seen.hash(0_u64)) && !seen.has(seen.hash(450_000_u64)));
        assert!(seen.latest.len() + seen.older.len() <= 2 * MOST);
    }

    #[test]
    fn each_list_has_its_own_key() {
        assert_ne!(RowDedup::default().hash("a"), RowDedup::default().hash("a"));
    }
}
