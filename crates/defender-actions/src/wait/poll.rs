//! Time limits and delays of waits and searches.

use std::time::Duration;

/// Time limits and delays of waits and searches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollPolicy {
    /// First delay between two reads. Each later delay is longer by half, up to `longest`.
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
    /// Default time limit of a wait.
    pub(crate) at_most: Duration,
    /// Time in which a new record must appear. Reads lag behind writes, usually by seconds and, as far as seen, by two minutes at most.
    pub(crate) visibility_timeout: Duration,
}

impl Default for PollPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(30),
            at_most: Duration::from_secs(3_600),
            visibility_timeout: Duration::from_secs(120),
        }
    }
}

impl PollPolicy {
    /// Returns the delays after a response: the first read follows the first delay.
    pub(crate) fn after_response(self) -> PollDelays {
        PollDelays { next: self.first, policy: self }
    }

    /// Returns the delays without an earlier response: the first read is immediate.
    pub(crate) fn immediate(self) -> PollDelays {
        PollDelays { next: Duration::ZERO, policy: self }
    }
}

/// Endless sequence of delays between reads.
#[derive(Clone, Debug)]
pub(crate) struct PollDelays {
    next: Duration,
    policy: PollPolicy,
}

impl PollDelays {
    pub(crate) fn next(&mut self) -> Duration {
        let delay = self.next;
        let PollPolicy { first, longest, .. } = self.policy;
        self.next = (delay.saturating_mul(3) / 2).clamp(first, longest.max(first));
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_longest() {
        let delays = |mut delays: PollDelays| (0..10).map(|_| delays.next().as_millis()).collect::<Vec<_>>();
        let grown = [2_000, 3_000, 4_500, 6_750, 10_125, 15_187, 22_781, 30_000, 30_000, 30_000];
        assert_eq!(delays(PollPolicy::default().after_response()), grown);
        assert_eq!(delays(PollPolicy::default().immediate())[..3], [0, 2_000, 3_000]);
        let odd =
            PollPolicy { first: Duration::from_secs(9), longest: Duration::from_secs(1), ..PollPolicy::default() };
        assert_eq!(delays(odd.after_response())[..3], [9_000, 9_000, 9_000]);
    }
}
