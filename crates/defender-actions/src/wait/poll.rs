//! How long waits go on, and how often they look.

use std::time::Duration;

/// How long waits go on, and how often they look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollPolicy {
    /// The first pause between two looks; each later one is half as long again, up to the longest.
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
    /// How long a wait goes on unless it is told otherwise.
    pub(crate) at_most: Duration,
    /// How long a record may take to appear: reads lag behind writes, seconds as a rule and two minutes at most as far as seen.
    pub(crate) grace: Duration,
}

impl Default for PollPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(30),
            at_most: Duration::from_secs(3_600),
            grace: Duration::from_secs(120),
        }
    }
}

impl PollPolicy {
    /// The pauses of whoever has an answer already.
    pub(crate) fn after_an_answer(self) -> PollDelays {
        PollDelays { next: self.first, patience: self }
    }

    /// The pauses of whoever knows nothing yet, and looks at once.
    pub(crate) fn at_once(self) -> PollDelays {
        PollDelays { next: Duration::ZERO, patience: self }
    }
}

/// How long to pause between looks, without end.
#[derive(Clone, Debug)]
pub(crate) struct PollDelays {
    next: Duration,
    patience: PollPolicy,
}

impl PollDelays {
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.next;
        let PollPolicy { first, longest, .. } = self.patience;
        self.next = (pause.saturating_mul(3) / 2).clamp(first, longest.max(first));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_by_half_from_the_first_to_the_longest() {
        let pauses = |mut pauses: PollDelays| (0..10).map(|_| pauses.next().as_millis()).collect::<Vec<_>>();
        let grown = [2_000, 3_000, 4_500, 6_750, 10_125, 15_187, 22_781, 30_000, 30_000, 30_000];
        assert_eq!(pauses(PollPolicy::default().after_an_answer()), grown);
        assert_eq!(pauses(PollPolicy::default().at_once())[..3], [0, 2_000, 3_000]);
        let odd =
            PollPolicy { first: Duration::from_secs(9), longest: Duration::from_secs(1), ..PollPolicy::default() };
        assert_eq!(pauses(odd.after_an_answer())[..3], [9_000, 9_000, 9_000]);
    }
}
