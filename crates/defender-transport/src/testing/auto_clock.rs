//! A clock that moves by itself while everything waits for it.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use jiff::Timestamp;

use super::ManualClock;
use crate::clock::{Clock, Sleep};

/// Number of polls in which nothing may begin or end before the clock moves. An executor of tokio polls its tasks some sixty times for
/// one poll of the future that it blocks on, which must have its turn.
const QUIET: usize = 128;
/// The same for each sleeper, since those of one task are polled together.
const QUIET_EACH: usize = 4;

/// A clock that moves to the next sleeper whenever nothing else goes on, so that retries and waits of days take no time. Clones are
/// hands of the same clock.
///
/// It needs no `run`: a test awaits the code as production does. It suits transports that respond at once, such as [`Capture`],
/// [`Tape`] and [`MockTransport`], on any executor. Beside sockets, files and threads, which a clock does not see, time would run
/// ahead of them: use `SystemClock` there. [`ManualClock`] is exact, and moves only by hand.
///
/// ```
/// use std::time::Duration;
/// use defender_transport::{Clock, testing::AutoClock};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = AutoClock::new();
/// clock.sleep(Duration::from_secs(3 * 24 * 3_600)).await; // takes no time
/// assert_eq!(clock.elapsed().as_secs(), 259_200);
/// # }
/// ```
///
/// [`Capture`]: super::Capture
/// [`Tape`]: super::Tape
/// [`MockTransport`]: super::MockTransport
#[derive(Clone, Debug, Default)]
pub struct AutoClock {
    hands: ManualClock,
    /// Number of polls since a sleep last began or ended.
    quiet: Arc<AtomicUsize>,
}

impl AutoClock {
    /// A clock that stands at noon of 1 January 2026, UTC, until somebody sleeps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock whose wall shows `start`, until somebody sleeps.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { hands: ManualClock::at(start), quiet: Arc::default() }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Clock for AutoClock {
    fn now(&self) -> Timestamp {
        self.hands.now()
    }

    fn elapsed(&self) -> Duration {
        self.hands.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.elapsed().saturating_add(duration))
    }

    fn sleep_until(&self, moment: Duration) -> Sleep {
        let mut sleeper = Sleeper::new(self.clone(), moment);
        Box::pin(poll_fn(move |context| sleeper.poll(context)))
    }
}

struct Sleeper {
    clock: AutoClock,
    sleep: Sleep,
}

impl Sleeper {
    fn new(clock: AutoClock, moment: Duration) -> Self {
        clock.quiet.store(0, Ordering::Release);
        Self { sleep: clock.hands.sleep_until(moment), clock }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.sleep.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let quiet = self.clock.quiet.fetch_add(1, Ordering::AcqRel);
        if quiet >= QUIET.saturating_add(self.clock.hands.sleeping().saturating_mul(QUIET_EACH)) {
            self.clock.quiet.store(0, Ordering::Release);
            self.clock.hands.advance_to_next();
            if self.sleep.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
        }
        // The sleeper that moves the clock may be gone by the next turn, and then this one moves it.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.clock.quiet.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{
        FutureExt,
        future::{Either, join, select},
    };

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn long_sleeps_end_in_their_order() {
        let clock = AutoClock::new();
        let sleep = async |hours: u32| {
            clock.sleep(HOUR * hours).await;
            clock.elapsed()
        };
        let (late, soon) = block_on(join(sleep(72), async { (sleep(1).await, sleep(2).await) }));
        assert_eq!((soon, late), ((HOUR, HOUR * 3), HOUR * 72));
        assert_eq!(clock.now().to_string(), "2026-01-04T12:00:00Z");
    }

    /// A retry with many delays is not ended by the time limit around it.
    #[test]
    fn limit_ends_only_what_is_later() {
        let clock = AutoClock::new();
        let delays = async || {
            for _ in 0..100 {
                clock.sleep(Duration::from_secs(10)).await;
            }
        };
        let ended = |limit| {
            block_on(select(Box::pin(delays()), clock.sleep(limit)).map(|ended| matches!(ended, Either::Left(_))))
        };
        assert!(ended(HOUR));
        assert!(!ended(Duration::from_secs(999)));
    }

    #[test]
    fn other_tasks_go_first() {
        let clock = AutoClock::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let limit = clock.clone();
        runtime.block_on(async move {
            let waits =
                tokio::spawn(async move { matches!(select(receiver, limit.sleep(HOUR)).await, Either::Left(_)) });
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            sender.send(()).unwrap();
            assert!(waits.await.unwrap());
        });
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }

    #[test]
    fn dropped_sleep_does_not_move_the_clock() {
        let clock = AutoClock::new();
        drop(clock.sleep(HOUR));
        block_on(clock.sleep(Duration::from_secs(1)));
        assert_eq!(clock.elapsed(), Duration::from_secs(1));
    }
}
