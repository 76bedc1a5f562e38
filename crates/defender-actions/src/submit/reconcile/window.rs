//! The time in which an action of a submission was created.

use jiff::{SignedDuration, Timestamp};

/// Error of the service's clock as its `Date` headers tell it: whole seconds, and the time that a response travels.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Error of our own clock where no `Date` tells the service's.
const UNKNOWN_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Age before the first attempt at which a record is certainly not ours, if the service's clock is known.
const TOO_OLD: SignedDuration = SignedDuration::from_mins(15);

/// The creation times that fit a submission, on the service's clock, or on ours where no `Date` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// First attempt, less the skew.
    pub(crate) opens: Timestamp,
    /// End of the time in which the action can have appeared, plus the skew.
    pub(crate) closes: Timestamp,
    /// Creation before which a record is cleared; `None` where the service's clock is not known, so that creation clears nothing.
    pub(crate) clears_before: Option<Timestamp>,
}

impl Window {
    /// Window on the service's clock. `earliest` is the first attempt by the most pessimistic reading of that clock.
    pub(crate) fn on_service_clock(first_attempt: Timestamp, earliest: Timestamp, end: Timestamp) -> Self {
        let clears_before = minus(minus(earliest.min(first_attempt), SKEW), TOO_OLD);
        Self { opens: minus(first_attempt, SKEW), closes: plus(end, SKEW), clears_before: Some(clears_before) }
    }

    /// Window on our own clock.
    pub(crate) fn on_own_clock(first_attempt: Timestamp, end: Timestamp) -> Self {
        Self { opens: minus(first_attempt, UNKNOWN_SKEW), closes: plus(end, UNKNOWN_SKEW), clears_before: None }
    }

    /// Earliest creation that a shared list must hold for this window to be judged by it.
    pub(crate) fn list_from(&self) -> Timestamp {
        self.clears_before.unwrap_or_else(|| minus(self.opens, TOO_OLD))
    }
}

fn minus(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

fn plus(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
