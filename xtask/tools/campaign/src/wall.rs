//! A clock whose wall is ahead of another's, or behind it: a client's, beside the service's.

use std::time::Duration;

use defender_transport::{Clock, clock::Sleep, testing::ManualClock};
use jiff::{SignedDuration, Timestamp};

/// The same time, and another date.
#[derive(Clone, Debug)]
pub(crate) struct Wall {
    pub(crate) clock: ManualClock,
    /// By how many seconds it is ahead.
    pub(crate) ahead: i64,
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        now.checked_add(SignedDuration::from_secs(self.ahead)).unwrap_or(now)
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.clock.sleep(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_is_ahead_of_same_time() {
        let clock = ManualClock::new();
        let wall = Wall { clock: clock.clone(), ahead: -240 };
        clock.advance(Duration::from_secs(9));
        assert_eq!(clock.now().duration_since(wall.now()).as_secs(), 240);
        assert_eq!(wall.elapsed(), Duration::from_secs(9));
    }
}
