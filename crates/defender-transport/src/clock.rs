//! Time as something that is handed in, so that a test can turn it by hand.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use jiff::Timestamp;

/// A sleep that a [`Clock`] gave out. Dropping it is how it is cancelled.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time: of the wall, and of its own.
///
/// What expires at a date (a token, a `Retry-After` with a date) asks the wall with [`now`](Self::now). Pacing, polling
/// and deadlines ask [`elapsed`](Self::elapsed): a wall clock that is set back would pass a quota, and one that is set
/// forward would stall a queue.
///
/// `SystemClock` is the real one (feature `tokio`), and `testing::ManualClock` the one for tests
/// (feature `testing`). Tokio's own paused time moves no wall clock, so a token would never expire under it.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time on the wall.
    fn now(&self) -> Timestamp;

    /// Time since an origin that is the clock's own. Never goes back.
    fn elapsed(&self) -> Duration;

    /// Completes once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// Completes once [`elapsed`](Self::elapsed) is `moment`, for who has looked at the clock already.
    fn sleep_until(&self, moment: Duration) -> Sleep {
        self.sleep(moment.saturating_sub(self.elapsed()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn elapsed(&self) -> Duration {
        (**self).elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        (**self).sleep(duration)
    }

    fn sleep_until(&self, moment: Duration) -> Sleep {
        (**self).sleep_until(moment)
    }
}

/// The machine's own time; sleeps on tokio's timer, and so only inside a tokio runtime.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

#[cfg(feature = "tokio")]
impl SystemClock {
    /// A clock whose own time begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

#[cfg(feature = "tokio")]
impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "tokio")]
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
#[deny(clippy::missing_trait_methods)]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }

    fn sleep_until(&self, moment: Duration) -> Sleep {
        match self.origin.checked_add(moment) {
            Some(moment) => Box::pin(tokio::time::sleep_until(moment.into())),
            None => self.sleep(moment),
        }
    }
}
