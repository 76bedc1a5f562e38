//! Chance by seed, the same with each version of every dependency.

use std::time::Duration;

/// A generator of the kind called `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of one purpose: each throws as if the others were not there.
    pub(crate) fn of(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(seed.rotate_left(32) ^ purpose.wrapping_mul(0xd129_0d3b_2f3f_1c65));
        dice.throw();
        dice
    }

    /// Any number.
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 where that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.throw().checked_rem(bound).unwrap_or(0)
    }

    /// A place in a list of so many, or 0 where it has none.
    pub(crate) fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.below(u64::try_from(count).unwrap_or(0))).unwrap_or(0)
    }

    /// Returns true with this chance in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub(crate) fn one<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        let place = self.place(N);
        // Of none nothing can be chosen, and nobody asks.
        of.get(place).copied().unwrap_or_else(|| of[0])
    }

    /// A time up to `most`, to the millisecond.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.below(most.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_repeat_by_seed_and_purpose() {
        let throws = |seed, purpose| {
            let mut dice = Dice::of(seed, purpose);
            [dice.throw(), dice.throw(), dice.throw()]
        };
        assert_eq!(throws(7, 1), throws(7, 1));
        assert_ne!(throws(7, 1), throws(7, 2));
        assert_ne!(throws(7, 1), throws(8, 1));
        assert_ne!(throws(1, 7), throws(7, 1));
    }

    #[test]
    fn shares_and_choices_are_fair() {
        let mut dice = Dice::of(1, 1);
        let happened = (0..10_000).filter(|_| dice.percent(25)).count();
        assert!((2_300..2_700).contains(&happened), "{happened}");
        assert!((0..100).all(|_| !dice.percent(0) && dice.percent(100)));
        assert!([1, 2, 3].into_iter().all(|wanted| (0..100).any(|_| dice.one([1, 2, 3]) == wanted)));
        assert!((0..100).all(|_| dice.up_to(Duration::from_secs(1)) <= Duration::from_secs(1)));
    }
}
