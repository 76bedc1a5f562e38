//! A clock that stands still until a test moves it.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use jiff::Timestamp;

use crate::clock::{Clock, Sleep};

/// A clock that stands still until a test moves it. Clones are hands of the same clock.
///
/// ```
/// use std::time::Duration;
/// use defender_transport::{Clock, testing::ManualClock};
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(3 * 24 * 3600));   // takes no time
/// assert_eq!(clock.now().duration_since(before).as_hours(), 72);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    shared: Arc<Mutex<Hands>>,
}

#[derive(Debug)]
struct Hands {
    start: Timestamp,
    elapsed: Duration,
    /// Sleepers by their end. The number tells sleepers of the same moment apart, and wakes them in the order in which
    /// they came.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next: u64,
}

impl ManualClock {
    /// A clock that stands at noon of 1 January 2026, UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_second(1_767_268_800).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// A clock whose wall shows `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        let hands = Hands { start, elapsed: Duration::ZERO, sleepers: BTreeMap::new(), next: 0 };
        Self { shared: Arc::new(Mutex::new(hands)) }
    }

    /// Moves the clock on, and wakes everyone whose time has come by then, earliest first.
    pub fn advance(&self, duration: Duration) {
        let mut hands = self.hands();
        hands.elapsed = hands.elapsed.saturating_add(duration);
        let now = hands.elapsed;
        let later = hands.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut hands.sleepers, later);
        drop(hands);
        due.into_values().for_each(Waker::wake);
    }

    /// Moves the clock to the moment at which the next sleeper wakes, and returns the distance; `None` if nobody
    /// sleeps, and then the clock stands where it stood.
    ///
    /// This is how a simulation jumps from event to event.
    #[expect(clippy::must_use_candidate, reason = "moving the clock is the point, how far it went is news")]
    pub fn advance_to_next(&self) -> Option<Duration> {
        let step = {
            let hands = self.hands();
            let (&(wakes, _), _) = hands.sleepers.first_key_value()?;
            wakes.saturating_sub(hands.elapsed)
        };
        self.advance(step);
        Some(step)
    }

    /// Number of sleeps that wait for this clock to move.
    #[must_use]
    pub fn sleeping(&self) -> usize {
        self.hands().sleepers.len()
    }

    /// Runs `future`, or what becomes one when it is awaited, to its end, moving the clock to the next sleeper whenever nothing else can go on.
    ///
    /// For a future that waits for this clock and for nothing outside the current task (mocks, not sockets). To do several
    /// things at once, join them in one future.
    ///
    /// ```
    /// use std::time::Duration;
    /// use defender_transport::{Clock, testing::ManualClock};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let clock = ManualClock::new();
    /// let code_under_test = async {
    ///     clock.sleep(Duration::from_secs(3 * 24 * 3_600)).await;
    ///     "done"
    /// };
    /// assert_eq!(clock.run(code_under_test).await, "done");       // takes no time
    /// assert_eq!(clock.elapsed().as_secs(), 259_200);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the future waits and nobody sleeps on this clock, since it would wait for good.
    pub async fn run<F: IntoFuture>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future.into_future());
        poll_fn(|context| {
            let woken = Arc::new(Woken { by_itself: AtomicBool::new(false), task: context.waker().clone() });
            let output = future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&woken))));
            // A future that woke itself while it was polled can go on without time.
            if output.is_pending() && !woken.by_itself.load(Ordering::Acquire) {
                assert!(
                    self.advance_to_next().is_some(),
                    "the future waits, and nobody sleeps on this clock: it waits for a socket, another task or another clock"
                );
                context.waker().wake_by_ref();
            }
            output
        })
        .await
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let hands = self.hands();
        hands.start.checked_add(hands.elapsed).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.hands().elapsed
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.elapsed().saturating_add(duration))
    }

    fn sleep_until(&self, moment: Duration) -> Sleep {
        let number = {
            let mut hands = self.hands();
            hands.next += 1;
            hands.next
        };
        let place = Place { clock: self.clone(), key: (moment, number) };
        Box::pin(poll_fn(move |context| {
            let mut hands = place.clock.hands();
            if hands.elapsed >= place.key.0 {
                return Poll::Ready(());
            }
            hands.sleepers.insert(place.key, context.waker().clone());
            Poll::Pending
        }))
    }
}

/// Wakes the task, and remembers that it did.
struct Woken {
    by_itself: AtomicBool,
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.by_itself.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

/// A sleeper's place in the list, given up when the sleep is dropped.
#[derive(Debug)]
struct Place {
    clock: ManualClock,
    key: (Duration, u64),
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clock.hands().sleepers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn poll(sleep: &mut Sleep) -> Poll<()> {
        sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn sleep_ends_exactly_on_time() {
        let clock = ManualClock::new();
        let mut sleep = clock.sleep(Duration::from_secs(2));
        assert_eq!(poll(&mut sleep), Poll::Pending);
        clock.advance(Duration::from_millis(1_999));
        assert_eq!(poll(&mut sleep), Poll::Pending);
        clock.advance(Duration::from_millis(1));
        assert_eq!(poll(&mut sleep), Poll::Ready(()));
    }

    #[test]
    fn wall_and_monotonic_time_move_together() {
        let clock = ManualClock::new();
        let before = clock.now();
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.elapsed(), Duration::from_secs(90));
        assert_eq!(clock.now().duration_since(before).as_secs(), 90);
    }

    #[test]
    fn the_next_event_is_the_earliest_sleep() {
        let clock = ManualClock::new();
        let (mut late, mut soon) = (clock.sleep(Duration::from_secs(9)), clock.sleep(Duration::from_secs(4)));
        assert!(poll(&mut late).is_pending() && poll(&mut soon).is_pending());
        assert_eq!(clock.advance_to_next(), Some(Duration::from_secs(4)));
        assert!(poll(&mut soon).is_ready() && poll(&mut late).is_pending());
        assert_eq!(clock.advance_to_next(), Some(Duration::from_secs(5)));
        assert_eq!(clock.advance_to_next(), None);
    }

    #[test]
    fn a_dropped_sleep_leaves_nothing_behind() {
        let clock = ManualClock::new();
        let mut sleep = clock.sleep(Duration::from_secs(1));
        assert!(poll(&mut sleep).is_pending());
        assert_eq!(clock.sleeping(), 1);
        drop(sleep);
        assert_eq!(clock.sleeping(), 0);
    }

    #[test]
    fn sleeping_future_runs_in_no_time() {
        let clock = ManualClock::new();
        let slept = clock.clone();
        let run = pin!(clock.run(async move {
            for _ in 0..1_000 {
                slept.sleep(Duration::from_secs(3_600)).await;
            }
        }));
        assert_eq!(block_on(run), ());
        assert_eq!(clock.elapsed(), Duration::from_secs(3_600_000));
    }

    #[test]
    #[should_panic(
        expected = "the future waits, and nobody sleeps on this clock: it waits for a socket, another task or \
                               another clock"
    )]
    fn a_future_that_waits_for_something_else_is_no_hang() {
        block_on(pin!(ManualClock::new().run(std::future::pending::<()>())));
    }

    fn block_on<F: Future>(mut future: std::pin::Pin<&mut F>) -> F::Output {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
        }
    }
}
