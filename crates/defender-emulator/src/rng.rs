//! A seeded random number generator, with the same numbers in every version of every dependency.

/// A generator of the kind called `SplitMix64`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 where that is 0. The bias of the remainder is of no matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// Draws `true` with this probability.
    pub(crate) fn chance(&mut self, rate: f64) -> bool {
        const PARTS: u32 = 1 << 30;
        let thrown = u32::try_from(self.below(u64::from(PARTS))).unwrap_or(0);
        f64::from(thrown) < rate * f64::from(PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_draws_the_same_each_time() {
        let throws = |seed| {
            let mut rng = Rng::new(seed);
            [rng.next_u64(), rng.next_u64(), rng.next_u64()]
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
    }

    #[test]
    fn a_rate_is_kept() {
        let mut rng = Rng::new(1);
        let happened = (0..10_000).filter(|_| rng.chance(0.25)).count();
        assert!((2_300..2_700).contains(&happened), "{happened}");
        assert!(!rng.chance(0.0) && rng.chance(1.0));
    }
}
