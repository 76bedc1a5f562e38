//! GUIDs, made without asking the system for each.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};

use crate::rng::Rng;

/// Makes GUIDs of the random kind. They are ids and no secrets.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    is_seeded: bool,
    made: AtomicU64,
}

impl Ids {
    /// From this seed, or from one that no other start has.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let fresh = || {
            let (high, low) = Uuid::new_v4().as_u64_pair();
            high ^ low.rotate_left(32)
        };
        Self { seed: seed.unwrap_or_else(fresh), is_seeded: seed.is_some(), made: AtomicU64::new(0) }
    }

    /// Returns `true` where a seed was given.
    pub(crate) fn are_seeded(&self) -> bool {
        self.is_seeded
    }

    pub(crate) fn next(&self) -> Uuid {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        // A generator steps on by the same amount at each draw, so that no two numbers draw the same.
        let high = Rng::new(self.seed.wrapping_add(number)).next_u64();
        let low = Rng::new(self.seed.rotate_left(17) ^ number).next_u64();
        Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (Ids::new(None), Ids::new(None));
        let ids: BTreeSet<_> =
            (0..20_000).map(|number| if number % 2 == 0 { one.next() } else { other.next() }).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
    }

    #[test]
    fn seed_makes_the_same_ids_each_time() {
        let made = |seed| {
            let ids = Ids::new(Some(seed));
            [ids.next(), ids.next(), ids.next()]
        };
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }
}
