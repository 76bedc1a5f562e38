//! The clock of a process beside the emulator's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::journal::Event;

/// Comparison of the clock of a process with the emulator's. Both go at one speed; each was set by the machine's wall when it began, and
/// the machine corrects that by a little now and then, which counts as many times as they are fast. So each process compares by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// From when on the emulator's times are counted.
    pub(super) start: Timestamp,
    /// By how much the wall of the process is ahead of the emulator's: at least, and at most.
    pub(super) least: SignedDuration,
    pub(super) most: SignedDuration,
}

impl Clocks {
    /// As a process writes it down.
    pub(super) fn told(self) -> Event {
        let nanos = |ahead: SignedDuration| i64::try_from(ahead.as_nanos()).unwrap_or_default();
        Event::Compared { least: nanos(self.least), most: nanos(self.most) }
    }

    /// Earliest time on the emulator's clock at which the wall clock of the process may have shown `time`.
    pub(super) fn earliest(self, time: Timestamp) -> Duration {
        self.less(time, self.most)
    }

    /// And at the latest.
    pub(super) fn latest(self, time: Timestamp) -> Duration {
        self.less(time, self.least)
    }

    fn less(self, time: Timestamp, ahead: SignedDuration) -> Duration {
        Duration::try_from(time.duration_since(self.start).saturating_sub(ahead)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: u32) -> Timestamp {
        format!("2026-01-01T12:00:{second:02}Z").parse().unwrap()
    }

    #[test]
    fn worker_time_becomes_emulator_time() {
        let (least, most) = (SignedDuration::from_secs(10), SignedDuration::from_secs(11));
        let clocks = Clocks { start: time(0), least, most };
        let at = time(30);
        assert_eq!((clocks.earliest(at).as_secs(), clocks.latest(at).as_secs()), (19, 20));
        assert_eq!(clocks.earliest(time(0)), Duration::ZERO, "before it began there was no time");
    }
}
