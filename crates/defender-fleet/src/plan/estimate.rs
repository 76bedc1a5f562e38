//! The shortest time in which the quota allows a number of requests.

use std::time::Duration;

use defender_actions::model::Limit;

/// Returns the time from the first request to the last one, if each limit is used in full: at most `calls` requests in any period of
/// length `per`.
pub(crate) fn shortest_time(limits: &[Limit], requests: usize) -> Duration {
    let mut sent: Vec<Duration> = Vec::with_capacity(requests);
    for number in 0..requests {
        let earliest = |limit: &Limit| {
            // A request follows the one that is `calls` before it by a whole period.
            let before = number.checked_sub(usize::try_from(limit.calls).ok()?)?;
            sent.get(before)?.checked_add(limit.per)
        };
        let previous = sent.last().copied().unwrap_or_default();
        sent.push(limits.iter().filter_map(earliest).fold(previous, Duration::max));
    }
    sent.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use defender_actions::model::{Action, LiveResponse, UnrestrictCodeExecution};

    use super::*;

    const MINUTE: u64 = 60;
    const HOUR: u64 = 3_600;

    #[test]
    fn estimate_follows_the_quota() {
        for (machines, seconds) in [
            (0, 0),
            (1, 0),
            (100, 0),
            (101, MINUTE),
            (1_000, 9 * MINUTE),
            (1_500, 14 * MINUTE),
            (1_501, HOUR),
            (5_000, 3 * HOUR + 4 * MINUTE),
        ] {
            assert_eq!(shortest_time(UnrestrictCodeExecution::QUOTA, machines).as_secs(), seconds, "{machines}");
        }
        for (sessions, seconds) in [(10, 0), (11, MINUTE), (200, 19 * MINUTE)] {
            assert_eq!(shortest_time(LiveResponse::QUOTA, sessions).as_secs(), seconds, "{sessions}");
        }
        assert_eq!(shortest_time(&[], 1_000), Duration::ZERO);
    }
}
