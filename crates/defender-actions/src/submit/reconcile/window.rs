//! The window in which the action of a submission was created.

use jiff::{SignedDuration, Timestamp};

/// Error of the service's clock as read from `Date` headers: whole seconds, and the travel time of a response.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Error of our own clock if no `Date` gives the service's clock.
const UNKNOWN_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Age before the first attempt at which a record is certainly not ours, if the service's clock is known.
const TOO_OLD: SignedDuration = SignedDuration::from_mins(15);

/// Time by which the clock that dated an intent may differ from the service's, if the record has its id or may have its comment.
const FURTHEST: SignedDuration = SignedDuration::from_hours(24);

/// Creation times that fit a submission, on the service's clock, or on ours if no `Date` gives the service's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// First attempt minus the skew.
    pub(crate) opens: Timestamp,
    /// Latest possible creation plus the skew.
    pub(crate) closes: Timestamp,
    /// Creation before which a record is cleared. `None` if the service's clock is unknown: then the creation clears no record.
    pub(crate) clears_before: Option<Timestamp>,
}

impl Window {
    /// Returns the window on the service's clock, which shows `zero` when the times of the first attempt and of the end begin;
    /// `lowest` by its most pessimistic reading.
    ///
    /// Times are added to a timestamp last: such a sum costs 76 instructions, and this way three are enough in place of seven.
    pub(crate) fn on_service_clock(
        zero: Timestamp,
        lowest: Timestamp,
        first_attempt: SignedDuration,
        end: SignedDuration,
    ) -> Self {
        let opens = first_attempt.saturating_sub(SKEW);
        Self {
            opens: plus(zero, opens),
            closes: plus(zero, end.saturating_add(SKEW)),
            clears_before: Some(plus(lowest.min(zero), opens.saturating_sub(TOO_OLD))),
        }
    }

    /// Returns the window on our own clock.
    pub(crate) fn on_own_clock(first_attempt: Timestamp, end: Timestamp) -> Self {
        Self { opens: minus(first_attempt, UNKNOWN_SKEW), closes: plus(end, UNKNOWN_SKEW), clears_before: None }
    }

    /// Returns the earliest creation that a shared list must include to decide about this window.
    pub(crate) fn list_from(&self) -> Timestamp {
        self.clears_before.unwrap_or_else(|| minus(self.opens, TOO_OLD))
    }

    /// Returns the earliest creation that the last shared list of a recovery includes: the clock that dated its intent may be wrong.
    pub(crate) fn list_of_recovery_from(&self) -> Timestamp {
        minus(self.list_from(), FURTHEST)
    }

    /// Returns whether a creation clears a record. The date of a recovery comes from a clock that may be wrong, so that a record of the last
    /// day is cleared only with another comment.
    pub(crate) fn clears(&self, created: Timestamp, of_recovery: bool, other_comment: bool) -> bool {
        self.clears_before.is_some_and(|before| {
            created < before && (!of_recovery || other_comment || created < minus(before, FURTHEST))
        })
    }
}

fn minus(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

fn plus(time: Timestamp, by: SignedDuration) -> Timestamp {
    let limit = if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    time.saturating_add(by).unwrap_or(limit)
}
