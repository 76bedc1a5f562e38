//! Times of the last calls of a scope, and the time of the next.

use std::{collections::VecDeque, time::Duration};

use crate::extensions::RateLimit;

/// The last calls of a scope, as many as its widest window holds.
///
/// A call takes its slot when it is sent. The server counts it when it arrives, which is at some time between
/// sending and the end of the attempt, and so the slot is taken until `per` after the end. With more than `calls` arrivals
/// in one window, the last of them would have been sent while all the others held their slots.
#[derive(Debug)]
pub(crate) struct Log {
    windows: Vec<RateLimit>,
    /// Number of calls that the widest window holds.
    widest: usize,
    /// Span of the longest window.
    longest: Duration,
    /// Number of calls that were sent and have not ended.
    under_way: usize,
    /// Ends of the calls before them, oldest first.
    ended: VecDeque<Duration>,
}

/// Time at which there is room for one more call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    At(Duration),
    /// Not before a call that is under way has ended, and then some.
    AfterAnEnd,
}

impl Log {
    pub(crate) fn new(windows: &[RateLimit]) -> Self {
        let (widest, longest) = (Self::widest_of(windows), Self::longest_of(windows));
        Self { windows: windows.to_vec(), widest, longest, under_way: 0, ended: VecDeque::new() }
    }

    fn widest_of(windows: &[RateLimit]) -> usize {
        windows.iter().map(calls).max().unwrap_or_default()
    }

    fn longest_of(windows: &[RateLimit]) -> Duration {
        windows.iter().map(|window| window.per).max().unwrap_or_default()
    }

    /// Uses these windows from now on. Past calls are kept for the widest window that was ever used.
    pub(crate) fn set_windows(&mut self, windows: &[RateLimit]) {
        if self.windows != windows {
            self.windows = windows.to_vec();
            self.widest = self.widest.max(Self::widest_of(windows));
            self.longest = self.longest.max(Self::longest_of(windows));
        }
    }

    /// The first moment at which one more call fits into every window.
    pub(crate) fn room(&self) -> Room {
        let mut at = Duration::ZERO;
        for window in &self.windows {
            let Some(others) = calls(window).checked_sub(self.under_way).filter(|&others| others > 0) else {
                return Room::AfterAnEnd;
            };
            // With this one gone from the window, there are `others - 1` of the ended left in it.
            let leaves = self.ended.len().checked_sub(others).and_then(|index| self.ended.get(index));
            at = at.max(leaves.map_or(Duration::ZERO, |ended| ended.saturating_add(window.per)));
        }
        Room::At(at)
    }

    /// A moment before which there is no room for `ahead` more calls and one after them, where none can go before `start`,
    /// unless a call under way is taken back.
    ///
    /// It takes each window by itself, the calls under way to end now and to be counted, and those ahead to take no time.
    pub(crate) fn no_room_before(&self, ahead: usize, start: Duration, now: Duration) -> Duration {
        let earliest = self.windows.iter().map(|window| {
            let calls = calls(window);
            // Whole windows of calls that go before, and the place in the one after them.
            let (rounds, place) = (ahead / calls, ahead % calls + 1);
            let taken = self.under_way.saturating_add(self.ended.len()).saturating_add(place);
            let freed = taken.checked_sub(calls).and_then(|must_go| must_go.checked_sub(1)).map(|index| {
                let ended = self.ended.get(index).copied().unwrap_or(now);
                ended.saturating_add(window.per)
            });
            let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
            start.max(freed.unwrap_or_default()).saturating_add(window.per.saturating_mul(rounds))
        });
        earliest.fold(start, Duration::max)
    }

    pub(crate) fn depart(&mut self) {
        self.under_way += 1;
        self.forget();
    }

    /// Takes back a call that was counted and never sent.
    pub(crate) fn take_back(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// One of the calls under way has ended `now`.
    pub(crate) fn end(&mut self, now: Duration) {
        self.under_way = self.under_way.saturating_sub(1);
        // Two that end at once may come here in either order.
        let last = self.ended.back().copied().unwrap_or_default();
        self.ended.push_back(now.max(last));
        self.forget();
    }

    /// Returns true if the past means nothing to the calls to come.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        self.under_way == 0 && self.ended.back().is_none_or(|ended| ended.saturating_add(self.longest) <= now)
    }

    /// Drops the calls that no window depends on: those before as many as the widest window holds.
    fn forget(&mut self) {
        while !self.ended.is_empty() && self.ended.len() + self.under_way > self.widest {
            self.ended.pop_front();
        }
    }
}

/// A window that holds none would never open.
fn calls(window: &RateLimit) -> usize {
    usize::try_from(window.calls).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn log(windows: &[(u32, u32)]) -> Log {
        Log::new(&windows.iter().map(|&(calls, per)| RateLimit { calls, per: SECOND * per }).collect::<Vec<_>>())
    }

    #[test]
    fn slot_is_held_until_window_passes() {
        let mut log = log(&[(2, 60)]);
        log.depart();
        assert_eq!(log.room(), Room::At(Duration::ZERO));
        log.depart();
        assert_eq!(log.room(), Room::AfterAnEnd);
        log.end(SECOND * 100);
        assert_eq!(log.room(), Room::At(SECOND * 160));
    }

    #[test]
    fn the_fullest_window_decides() {
        let mut log = log(&[(1, 1), (2, 60)]);
        for end in [0, 1] {
            log.depart();
            log.end(SECOND * end);
        }
        assert_eq!(log.room(), Room::At(SECOND * 60));
    }

    #[test]
    fn lane_without_windows_is_always_open() {
        let mut log = log(&[]);
        for _ in 0..100 {
            log.depart();
            log.end(SECOND);
        }
        assert_eq!((log.room(), log.ended.len()), (Room::At(Duration::ZERO), 0));
        assert_eq!(log.no_room_before(1_000, SECOND, SECOND), SECOND);
    }

    #[test]
    fn wait_follows_place_in_queue() {
        let mut log = log(&[(2, 60)]);
        log.depart();
        log.end(SECOND);
        log.depart();
        let from_place = |ahead| log.no_room_before(ahead, SECOND * 5, SECOND * 5).as_secs();
        // The call under way ends at five at the earliest; each pair after that is a minute later.
        assert_eq!([0, 1, 2, 3, 4].map(from_place), [61, 65, 121, 125, 181]);
    }

    proptest! {
        #[test]
        fn log_is_bounded_by_widest_window(
            windows in proptest::collection::vec((1_u32..20, 1_u32..100), 1..4),
            steps in proptest::collection::vec((any::<bool>(), 0_u32..10), 1..300),
        ) {
            let (mut log, mut now) = (log(&windows), Duration::ZERO);
            let widest = windows.iter().map(|window| window.0).max().unwrap() as usize;
            for (go, passed) in steps {
                now += SECOND * passed;
                match log.room() {
                    Room::At(at) if go && at <= now => log.depart(),
                    _ if log.under_way > 0 => log.end(now),
                    _ => {}
                }
                prop_assert!(log.ended.len() + log.under_way <= widest);
            }
        }

        #[test]
        fn queue_head_gets_its_exact_time(
            windows in proptest::collection::vec((1_u32..20, 1_u32..100), 1..4),
            ends in proptest::collection::vec(0_u32..10, 0..100),
        ) {
            let (mut log, mut now) = (log(&windows), Duration::ZERO);
            for passed in ends {
                now += SECOND * passed;
                log.depart();
                log.end(now);
                prop_assert_eq!(log.room(), Room::At(log.no_room_before(0, Duration::ZERO, now)));
            }
        }
    }
}
