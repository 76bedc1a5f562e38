//! Durations in the form in which both engines store them: microseconds.

use std::time::Duration;

/// Longest time of a request: ten years. A longer time would overflow the calendar of a database.
pub(crate) const LONGEST: i64 = 10 * 365 * 24 * 3_600 * 1_000_000;

/// Microseconds, rounded up: a slot or a lease does not end early.
pub(crate) fn ceiling(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000)).map_or(LONGEST, |micros| micros.min(LONGEST))
}

/// Microseconds, rounded down: an attempt did not end earlier than stated.
pub(crate) fn floor(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).map_or(LONGEST, |micros| micros.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_the_safe_side() {
        let times = [Duration::ZERO, Duration::from_nanos(1), Duration::from_nanos(1_001), Duration::MAX];
        assert_eq!(times.map(ceiling), [0, 1, 2, LONGEST]);
        assert_eq!(times.map(floor), [0, 0, 1, LONGEST]);
    }
}
