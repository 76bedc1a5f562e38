//! The gate of a scope, which a 429 closes.

use std::time::Duration;

/// State of a scope: open, or closed by a 429.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Gate {
    #[default]
    Open,
    /// No call is sent before this time. After it, one call is sent alone, as a probe.
    Closed { until: Duration },
    /// The call with this number is the probe.
    Probing { call: u64 },
}

/// Outcome of an attempt, as far as it concerns the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The response was 429: no call is sent before this time.
    Refused { until: Duration },
    /// The response had any other status.
    Answered,
    /// The attempt had no response, so that nothing is known.
    Unanswered,
    /// Nothing of the request was sent.
    NeverSent,
}

impl Gate {
    /// Time from which a call may be sent; `None` while that depends on the probe.
    pub(crate) fn opens(self) -> Option<Duration> {
        match self {
            Self::Open => Some(Duration::ZERO),
            Self::Closed { until } => Some(until),
            Self::Probing { .. } => None,
        }
    }

    /// Records that a call is sent.
    pub(crate) fn pass(&mut self, call: u64) {
        if let Self::Closed { .. } = self {
            *self = Self::Probing { call };
        }
    }

    /// Notes the end of a call. Returns true if it closes the gate.
    ///
    /// Only the probe opens the gate: a response to a call that was sent before the 429 shows nothing of the
    /// state after it. If the probe gets no response, the next call is the probe.
    pub(crate) fn end(&mut self, call: u64, ended: Ended) -> bool {
        let probed = *self == Self::Probing { call };
        match (ended, *self) {
            // A shorter pause does not shorten a longer one.
            (Ended::Refused { until }, Self::Closed { until: longer }) if longer >= until => {}
            (Ended::Refused { until }, _) => *self = Self::Closed { until },
            (Ended::Answered, _) if probed => *self = Self::Open,
            (Ended::Unanswered | Ended::NeverSent, _) if probed => *self = Self::Closed { until: Duration::ZERO },
            _ => {}
        }
        matches!(ended, Ended::Refused { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);
    const LATE: Duration = Duration::from_secs(30);

    fn probing() -> Gate {
        let mut gate = Gate::default();
        gate.end(1, Ended::Refused { until: SOON });
        gate.pass(2);
        assert_eq!(gate, Gate::Probing { call: 2 });
        gate
    }

    #[test]
    fn shorter_pause_keeps_the_longer() {
        let mut gate = Gate::default();
        for until in [LATE, SOON] {
            gate.end(1, Ended::Refused { until });
            assert_eq!(gate.opens(), Some(LATE));
        }
    }

    #[test]
    fn only_the_probe_opens_the_gate() {
        let mut gate = probing();
        gate.end(1, Ended::Answered);
        assert_eq!(gate.opens(), None);
        gate.end(2, Ended::Answered);
        assert_eq!(gate, Gate::Open);
    }

    #[test]
    fn earlier_429_keeps_gate_closed() {
        let mut gate = probing();
        gate.end(1, Ended::Refused { until: LATE });
        gate.end(2, Ended::Answered);
        assert_eq!(gate.opens(), Some(LATE));
    }

    #[test]
    fn unanswered_probe_is_followed_by_another() {
        let mut gate = probing();
        gate.end(2, Ended::Unanswered);
        assert_eq!(gate.opens(), Some(Duration::ZERO));
        gate.pass(3);
        assert_eq!(gate, Gate::Probing { call: 3 });
    }
}
