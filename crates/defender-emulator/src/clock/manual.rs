//! A clock that stands until it is advanced, for tests in other languages.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use defender_transport::{Clock, clock::Sleep};
use jiff::Timestamp;

/// A clock that stands until it is advanced. Clones share one time.
#[derive(Clone, Debug)]
pub(crate) struct HandClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    start: Timestamp,
    elapsed: Duration,
    /// The sleepers. They are few, and all are woken when the clock moves.
    sleepers: Vec<Waker>,
}

impl HandClock {
    /// One whose wall shows `start`.
    pub(crate) fn at(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { start, elapsed: Duration::ZERO, sleepers: Vec::new() })))
    }

    /// Sets it back to its start. Sleepers keep sleeping.
    pub(crate) fn reset(&self) {
        self.hands().elapsed = Duration::ZERO;
    }

    /// Advances it.
    pub(crate) fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.elapsed = hands.elapsed.saturating_add(by);
        let sleepers = std::mem::take(&mut hands.sleepers);
        drop(hands);
        sleepers.into_iter().for_each(Waker::wake);
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let hands = self.hands();
        hands.start.checked_add(hands.elapsed).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.hands().elapsed
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let (clock, until) = (self.clone(), self.elapsed().saturating_add(duration));
        Box::pin(poll_fn(move |context| {
            let mut hands = clock.hands();
            if hands.elapsed >= until {
                return Poll::Ready(());
            }
            hands.sleepers.push(context.waker().clone());
            Poll::Pending
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    #[test]
    fn advance_wakes_sleepers_that_are_due() {
        let clock = HandClock::at(Timestamp::UNIX_EPOCH);
        let mut sleep = clock.sleep(Duration::from_secs(2));
        let mut poll = || sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        clock.advance(Duration::from_millis(1_999));
        assert!(poll().is_pending());
        clock.advance(Duration::from_millis(1));
        assert!(poll().is_ready());
        assert_eq!((clock.now().as_second(), clock.elapsed().as_secs()), (2, 2));
    }
}
