//! Number of attempts, and the delays between them.

use std::time::Duration;

use fastrand::Rng;

/// Limits of [`Retrying`](super::Retrying): the number of attempts, and the delays between them.
///
/// The delay before a retry is random, between zero and a bound that doubles each time ("full jitter"), so that many clients
/// that failed together do not retry together.
///
/// ```
/// use std::time::Duration;
/// use defender_transport::Retry;
///
/// let patient = Retry::default().attempts(10).total(Duration::from_secs(1_800));
/// let once = Retry::once();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub(super) attempts: u32,
    pub(super) total: Duration,
    pub(super) renews: bool,
    first: Duration,
    longest: Duration,
    seed: Option<u64>,
}

impl Default for Retry {
    /// Five attempts within five minutes, with waits of up to 0.5 s, 1 s, 2 s and 4 s in between.
    fn default() -> Self {
        Self {
            attempts: 5,
            total: Duration::from_secs(300),
            renews: true,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            seed: None,
        }
    }
}

impl Retry {
    /// Creates a policy of one attempt, without a retry even after a 401.
    #[must_use]
    pub fn once() -> Self {
        Self::default().attempts(1)
    }

    /// Sets the maximum number of attempts, the first one included. Zero counts as one.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the bound of the first delay, and the maximum of the doubled bound. By default 0.5 s and 30 s.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first = first;
        self.longest = longest;
        self
    }

    /// Sets the longest time of a call from its first attempt to its last, if its
    /// [`Timeouts`](crate::extensions::Timeouts) have no limit. By default 5 minutes; [`Duration::MAX`] means no limit.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// Returns a 401 to the caller without a retry. For a stack in which no layer beneath can set another token: a 401 of the
    /// token endpoint means that the secret is wrong, and a retry would fail in the same way.
    #[must_use]
    pub fn no_reauth(mut self) -> Self {
        self.renews = false;
        self
    }

    /// Sets the seed of the random delays, so that a test can be repeated.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Returns the delay after attempt number `sendings`, for a caller that retries by itself, or `None` if no further attempt
    /// is allowed. The first attempt is number 1.
    #[must_use]
    pub fn delay_for(&self, sendings: u32) -> Option<Duration> {
        (sendings < self.attempts).then(|| self.wait(sendings, &mut self.random()))
    }

    /// Returns the longest time of a call from its first attempt to its last: see [`total`](Self::total).
    #[must_use]
    pub fn total_timeout(&self) -> Duration {
        self.total
    }

    pub(super) fn random(&self) -> Rng {
        self.seed.map_or_else(Rng::new, Rng::with_seed)
    }

    /// Returns the delay after attempt number `sendings`.
    pub(super) fn wait(&self, sendings: u32, random: &mut Rng) -> Duration {
        let doubled = 1_u32.checked_shl(sendings.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.first.saturating_mul(doubled).min(self.longest);
        Duration::from_nanos(random.u64(0..=u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_oneof, proptest};

    use super::*;

    proptest! {
        #[test]
        fn no_wait_exceeds_its_bound(
            (first, longest) in (0_u64..100_000, 0_u64..1_000_000),
            sendings in prop_oneof![1_u32..50, any::<u32>()],
            seed: u64,
        ) {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            let wait = Retry::default().backoff(first, longest).wait(sendings, &mut Rng::with_seed(seed));
            let doubled = (1..sendings).try_fold(first, |bound, _| Some(bound * 2).filter(|bound| *bound < longest));
            prop_assert!(wait <= doubled.unwrap_or(longest).min(longest), "{wait:?}");
        }
    }

    #[test]
    fn waits_spread_over_a_doubling_bound() {
        let (retry, mut random) = (Retry::default(), Rng::with_seed(1));
        for (sendings, bound) in
            [(1, 500), (2, 1_000), (3, 2_000), (6, 16_000), (7, 30_000), (40, 30_000), (u32::MAX, 30_000)]
        {
            let waits: Vec<_> = (0..1_000).map(|_| retry.wait(sendings, &mut random)).collect();
            let bound = Duration::from_millis(bound);
            assert!(waits.iter().all(|wait| *wait <= bound), "{sendings}");
            for tenth in 0..10 {
                let within = |wait: &&Duration| bound * tenth / 10 <= **wait && **wait <= bound * (tenth + 1) / 10;
                assert!((50..200).contains(&waits.iter().filter(within).count()), "{sendings}: {tenth}");
            }
        }
    }

    #[test]
    fn seeded_waits_are_reproducible() {
        let waits = |retry: Retry| {
            let mut random = retry.random();
            [1, 2, 3, 4].map(|sendings| retry.wait(sendings, &mut random))
        };
        assert_eq!(waits(Retry::default().seed(7)), waits(Retry::default().seed(7)));
        assert_ne!(waits(Retry::default().seed(7)), waits(Retry::default().seed(8)));
        assert_ne!(waits(Retry::default()), waits(Retry::default()));
    }

    #[test]
    fn wait_after_ends_with_the_attempts() {
        let retry = Retry::default().attempts(3);
        assert!(retry.delay_for(1).is_some_and(|pause| pause <= Duration::from_millis(500)));
        assert!(retry.delay_for(2).is_some_and(|pause| pause <= Duration::from_secs(1)));
        assert_eq!([retry.delay_for(3), retry.delay_for(u32::MAX), Retry::once().delay_for(1)], [None; 3]);
    }

    #[test]
    fn waits_may_be_none_or_very_long() {
        let mut random = Rng::with_seed(1);
        assert_eq!(Retry::default().backoff(Duration::ZERO, Duration::ZERO).wait(9, &mut random), Duration::ZERO);
        let _ = Retry::default().backoff(Duration::MAX, Duration::MAX).wait(u32::MAX, &mut random);
    }
}
