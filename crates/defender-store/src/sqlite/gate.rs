//! The gate of a key, which a 429 closes.

use crate::quota::{Ended, Outcome};

/// Interval at which the end of another asker's probe is looked for.
const PROBE_POLL: i64 = 1_000_000;

/// State of a key. Times are microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gate {
    /// No permit is granted before this time. The key is open if it is `None`.
    pub(super) closed_until: Option<i64>,
    /// The permit that was granted alone after that time.
    pub(super) probe: Option<u128>,
    /// Time at which the probe lapses.
    pub(super) probe_until: Option<i64>,
}

impl Gate {
    /// Number of permits that may be granted now, and the time to wait if that is zero.
    pub(super) fn room(&self, now: i64) -> (i64, i64) {
        match self.closed_until {
            None => (i64::MAX, 0),
            Some(_) if self.is_probing(now) => (0, PROBE_POLL),
            Some(until) if until > now => (0, until.saturating_sub(now)),
            Some(_) => (1, 0),
        }
    }

    /// Records that a permit was granted until `lapse`.
    pub(super) fn pass(&mut self, permit: u128, lapse: i64) {
        if self.closed_until.is_some() {
            (self.probe, self.probe_until) = (Some(permit), Some(lapse));
        }
    }

    /// Records the end of an attempt. Only the probe opens the key: a response to an earlier request shows nothing of the state after
    /// the 429.
    pub(super) fn end(&mut self, ended: &Ended, now: i64) {
        let is_probe = self.probe == Some(ended.permit) && self.is_probing(now);
        match ended.outcome {
            Outcome::Refused(retry_after) => {
                let until = now.saturating_add(retry_after);
                // A shorter pause does not shorten a longer pause.
                *self = Self { closed_until: self.closed_until.max(Some(until)), ..Self::default() };
            }
            Outcome::Answered if is_probe => *self = Self::default(),
            _ if is_probe => (self.probe, self.probe_until) = (None, None),
            _ => {}
        }
    }

    fn is_probing(&self, now: i64) -> bool {
        self.probe_until.is_some_and(|until| until > now)
    }
}
