//! A clock that goes faster than the machine's.

use std::time::Duration;

use defender_transport::{Clock, SystemClock, clock::Sleep};
use jiff::Timestamp;

/// A clock that goes so many times as fast as the machine's own, for tests over a real socket that would else wait for minutes.
///
/// Given to the emulator ([`clock`](crate::EmulatorBuilder::clock)) and to the client under test, it makes both run
/// at one speed, so that times and quotas compare; the network and the work of both then take so many times as long.
#[derive(Clone, Debug)]
pub struct FastClock {
    machine: SystemClock,
    /// The wall time at the origin of the machine's clock.
    start: Timestamp,
    speed: u32,
}

impl FastClock {
    /// One that begins at the time of now, and goes `speed` times as fast; 0 is taken for 1.
    #[must_use]
    pub fn new(speed: u32) -> Self {
        let machine = SystemClock::new();
        // The two times cannot be read at once, and what lies between them counts `speed` times: the quickest of a few attempts is taken.
        let read = |_| {
            let before = machine.elapsed();
            let now = machine.now();
            (machine.elapsed().saturating_sub(before), now.checked_sub(before).unwrap_or(now))
        };
        let quickest = (0..8).map(read).min_by_key(|(took, _)| *took);
        let start = quickest.map_or_else(|| machine.now(), |(_, start)| start);
        Self { start, machine, speed: speed.max(1) }
    }

    /// One whose wall has gone so fast since `origin`, so that the clocks of two processes that are given the same show the same.
    #[must_use]
    pub fn since(origin: Timestamp, speed: u32) -> Self {
        let begun_now = Self::new(speed);
        Self { start: wall(origin, begun_now.start, begun_now.speed), ..begun_now }
    }
}

/// Returns the wall time at `now` of a clock that has run at `speed` since `origin`.
fn wall(origin: Timestamp, now: Timestamp, speed: u32) -> Timestamp {
    let gone = Duration::try_from(now.duration_since(origin)).unwrap_or_default();
    origin.checked_add(gone.saturating_mul(speed)).unwrap_or(Timestamp::MAX)
}

#[deny(clippy::missing_trait_methods)]
impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.start.checked_add(self.elapsed()).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed().saturating_mul(self.speed)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let short = duration.checked_div(self.speed).unwrap_or(duration);
        // What the division cut off: nobody is woken before the time.
        self.machine.sleep(short.saturating_add(Duration::from_nanos(1)))
    }

    fn sleep_until(&self, moment: Duration) -> Sleep {
        self.sleep(moment.saturating_sub(self.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_runs_at_its_speed_from_its_origin() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(wall(at(100), at(107), 10), at(170));
        assert_eq!(wall(at(100), at(99), 10), at(100), "an origin that is yet to come is now");
        let origin = SystemClock::new().now().checked_sub(Duration::from_secs(1_000)).unwrap();
        let (first, second) = (FastClock::since(origin, 100), FastClock::since(origin, 100));
        for clock in [first, second] {
            assert!((100_000..101_000).contains(&clock.now().duration_since(origin).as_secs()), "{clock:?}");
        }
    }

    #[test]
    fn elapsed_time_runs_as_fast_as_the_wall() {
        let clock = FastClock::new(60);
        let wall = clock.now();
        // Begins last: this thread may have to wait for the processor in between.
        let machine = SystemClock::new();
        while machine.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        assert!(clock.elapsed() >= Duration::from_millis(60));
        assert!(clock.now().duration_since(wall).as_millis() >= 60);
        assert_eq!(FastClock::new(0).speed, 1);
    }

    #[tokio::test]
    async fn whoever_sleeps_is_not_woken_early() {
        let clock = FastClock::new(3);
        let duration = Duration::from_millis(10);
        clock.sleep(duration).await;
        assert!(clock.elapsed() >= duration);
    }
}
