//! A clock that advances as somebody sleeps on it.

use std::time::Duration;

use defender_transport::{Clock, clock::Sleep, testing::ManualClock};
use jiff::Timestamp;

#[derive(Clone, Debug, Default)]
pub(crate) struct SteppingClock(pub(crate) ManualClock);

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        Box::pin(async move { clock.advance(duration) })
    }
}
