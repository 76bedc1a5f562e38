//! Calls counted as they arrive: 100 in a minute and 1,500 in an hour, for each operation.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use crate::clock::seconds;

const WINDOWS: [(u64, usize); 2] = [(60, 100), (3_600, 1_500)];

/// Arrivals of the last hour, by operation.
#[derive(Debug, Default)]
pub(super) struct Quota {
    arrivals: HashMap<&'static str, VecDeque<Timestamp>>,
}

impl Quota {
    /// Counts an arrival; the seconds to wait where it is one too many.
    pub(super) fn arrive(&mut self, operation: &'static str, now: Timestamp) -> Result<(), u64> {
        let log = self.arrivals.entry(operation).or_default();
        while log.front().is_some_and(|&first| first + seconds(3_600) <= now) {
            log.pop_front();
        }
        let wait = WINDOWS.iter().filter_map(|&(span, limit)| {
            let nth = *log.get(log.len().checked_sub(limit)?)?;
            let free = nth + seconds(span);
            (free > now).then(|| u64::try_from(free.duration_since(now).as_secs()).unwrap_or_default() + 1)
        });
        let wait = wait.max();
        log.push_back(now);
        wait.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundred_and_first_call_is_refused() {
        let (mut quota, start) = (Quota::default(), Timestamp::UNIX_EPOCH);
        for _ in 0..100 {
            assert_eq!(quota.arrive("isolate", start), Ok(()));
        }
        assert_eq!(quota.arrive("isolate", start + seconds(20)), Err(41));
        assert_eq!(quota.arrive("scan", start + seconds(20)), Ok(()), "each operation has its own");
        assert_eq!(quota.arrive("isolate", start + seconds(60)), Ok(()));
    }

    #[test]
    fn hour_is_counted_too() {
        let (mut quota, start) = (Quota::default(), Timestamp::UNIX_EPOCH);
        for minute in 0..15 {
            for _ in 0..100 {
                assert_eq!(quota.arrive("isolate", start + seconds(minute * 60)), Ok(()));
            }
        }
        assert_eq!(quota.arrive("isolate", start + seconds(15 * 60)), Err(2_701));
    }
}
