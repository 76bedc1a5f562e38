//! The source of time, which a test can replace by a manual clock.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use jiff::Timestamp;

/// Sleep of a [`Clock`]. Dropping it cancels it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time: of the wall, and of its own.
///
/// Anything that expires at a date (a token, a `Retry-After` with a date) uses the wall clock, [`now`](Self::now). Pacing, polling
/// and deadlines ask [`elapsed`](Self::elapsed): a wall clock that is set back would pass a quota, and one that is set
/// forward would stall a queue.
///
/// `SystemClock` is the real one (feature `tokio`), and `testing::ManualClock` the one for tests
/// (feature `testing`). Tokio's own paused time moves no wall clock, so a token would never expire under it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a clock",
    label = "not a clock",
    note = "use `SystemClock::new()` (feature `tokio`), or `ManualClock::new()` of the test kit (feature `testing`)"
)]
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the time of the wall clock.
    fn now(&self) -> Timestamp;

    /// Returns the time since an origin of the clock's own. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Completes once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// Completes once [`elapsed`](Self::elapsed) is `moment`, for a caller that has read the clock already.
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

/// The machine's own time; sleeps on tokio's timer.
///
/// Inside a runtime whose time is paused, [`elapsed`](Clock::elapsed) follows that time as sleeps do, so that nothing spins;
/// [`now`](Clock::now) stays the time on the wall. Outside a runtime, a sleep holds the
/// thread that polls it for a few milliseconds at a time.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: tokio::time::Instant,
}

#[cfg(feature = "tokio")]
impl SystemClock {
    /// A clock whose own time begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    pub fn new() -> Self {
        Self { origin: tokio::time::Instant::now() }
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
        if tokio::runtime::Handle::try_current().is_ok() {
            return Box::pin(tokio::time::sleep(duration));
        }
        Box::pin(async move {
            // It may be polled inside of one.
            if tokio::runtime::Handle::try_current().is_ok() {
                tokio::time::sleep(duration).await;
            } else {
                outside::sleep(duration).await;
            }
        })
    }

    fn sleep_until(&self, moment: Duration) -> Sleep {
        match self.origin.checked_add(moment).filter(|_| tokio::runtime::Handle::try_current().is_ok()) {
            Some(moment) => Box::pin(tokio::time::sleep_until(moment)),
            None => self.sleep(moment.saturating_sub(self.elapsed())),
        }
    }
}

/// Time where there is no runtime.
#[cfg(feature = "tokio")]
mod outside {
    use std::{
        future::poll_fn,
        task::Poll,
        thread,
        time::{Duration, Instant},
    };

    /// For how long the executor's thread is held at a time. A thread of its own would be a task in the background.
    const SLICE: Duration = Duration::from_millis(5);

    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    pub(super) async fn sleep(duration: Duration) {
        let began = Instant::now();
        poll_fn(|context| {
            let left = duration.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Poll::Ready(());
            }
            thread::sleep(left.min(SLICE));
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
