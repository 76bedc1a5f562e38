//! The quotas of calls.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::http::operation::Operation;

/// The enforcement of quotas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quotas {
    /// Each operation has the quota of its page: 100 calls in a minute and 1,500 in an hour, of live
    /// response 10 in a minute, of package links 2 in a minute and 120 in an hour. The default.
    #[default]
    Enforced,
    /// As many as come.
    Off,
}

/// The form of `Retry-After` in a 429.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryAfterForm {
    /// In seconds, as <https://learn.microsoft.com/defender-endpoint/api/common-errors> has it. The default.
    #[default]
    Seconds,
    /// As a date, which HTTP allows too.
    Date,
    /// Not at all.
    Absent,
}

/// The calls that were let in, of each operation, in the last hour.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<HashMap<Operation, VecDeque<Duration>>>);

impl Meter {
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Accepts a call at `elapsed`, or returns the wait until the next can be accepted. A refused call does
    /// not count, which is inferred.
    pub(crate) fn admit(&self, operation: Operation, elapsed: Duration) -> Result<(), Duration> {
        let limits = operation.limits();
        let Some(longest) = limits.iter().map(|(_, window)| *window).max() else { return Ok(()) };
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.entry(operation).or_default();
        while calls.front().is_some_and(|call| call.saturating_add(longest) <= elapsed) {
            calls.pop_front();
        }
        let wait = |&(count, window): &(usize, Duration)| {
            // The call that must have left the window before another comes in.
            let oldest = calls.len().checked_sub(count).and_then(|place| calls.get(place))?;
            Some(oldest.saturating_add(window).saturating_sub(elapsed)).filter(|wait| !wait.is_zero())
        };
        if let Some(wait) = limits.iter().filter_map(wait).max() {
            return Err(wait);
        }
        calls.push_back(elapsed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_windows_are_kept_and_slide() {
        let meter = Meter::default();
        let second = Duration::from_secs;
        let admit = |at| meter.admit(Operation::GetPackageUri, second(at));
        assert_eq!(
            [admit(0), admit(20), admit(30), admit(60), admit(61)],
            [Ok(()), Ok(()), Err(second(30)), Ok(()), Err(second(19)),]
        );
        let let_in = (0..3_600).filter(|at| meter.admit(Operation::GetAction, second(*at)).is_ok()).count();
        assert_eq!(let_in, 1_500);
        assert_eq!(meter.admit(Operation::GetAction, second(3_600)), Ok(()));
    }

    #[test]
    fn a_token_is_not_counted() {
        let meter = Meter::default();
        assert!((0..10_000).all(|_| meter.admit(Operation::Token, Duration::ZERO).is_ok()));
    }
}
