//! The service's clock, as its responses tell it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use defender_transport::Clock;
use http::{HeaderMap, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};

use crate::submit::reconcile::Window;

/// A `Date` has whole seconds.
const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A `Date` that is further from our clock is not a clock.
const FURTHEST: SignedDuration = SignedDuration::from_hours(24);

/// Readings that contradict each other count together for so long.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// A moment on both of our clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    /// Monotonic time: setting the wall clock does not change it.
    pub(crate) elapsed: SignedDuration,
}

impl Moment {
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), elapsed: signed(clock.elapsed()) }
    }

    /// The moment at which our wall clock shows `wall`, as seen from this one.
    pub(crate) fn at_wall(self, wall: Timestamp) -> Self {
        let ago = self.wall.duration_since(wall);
        Self { wall, elapsed: self.elapsed.saturating_sub(ago) }
    }

    /// This moment, and so much time.
    pub(crate) fn plus(self, time: Duration) -> Self {
        let time = signed(time);
        Self { wall: shifted(self.wall, time), elapsed: self.elapsed.saturating_add(time) }
    }
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

fn shifted(time: Timestamp, by: SignedDuration) -> Timestamp {
    let limit = if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    time.saturating_add(by).unwrap_or(limit)
}

/// The service's clock, learned from the `Date` of its responses and kept against our monotonic clock.
///
/// A `Date` is written between the departure of a request and the arrival of its response, which may take long, and is cut to
/// whole seconds. So a response gives bounds of the clock, and an earlier, faster one counts as long as it lies between them.
#[derive(Debug, Default)]
pub(crate) struct ServiceTime(Mutex<Option<Reading>>);

/// What the service's clock showed when our monotonic clock began.
#[derive(Clone, Copy, Debug)]
struct Reading {
    zero: Timestamp,
    /// The lowest of the last hour: responses may contradict each other, and a record is cleared only by the most
    /// pessimistic of them.
    lowest: Timestamp,
    lowest_at: SignedDuration,
}

impl ServiceTime {
    /// Learns from a response that the service wrote, whose request departed and whose head came at these moments. Gives the
    /// `Date` of the response, if it is one.
    pub(crate) fn learn(
        &self,
        headers: &HeaderMap,
        departed: Option<Moment>,
        came: Option<Moment>,
    ) -> Option<Timestamp> {
        let date =
            headers.get(DATE).and_then(|date| DateTimeParser::new().parse_timestamp(date.to_str().ok()?).ok())?;
        let came = came?;
        if date.duration_since(came.wall).abs() > FURTHEST {
            return None;
        }
        let zero_at = |elapsed: SignedDuration| shifted(date, SignedDuration::ZERO.saturating_sub(elapsed));
        let least = zero_at(came.elapsed);
        let most = departed.map_or(Timestamp::MAX, |departed| shifted(zero_at(departed.elapsed), A_SECOND).max(least));
        let mut reading = self.reading();
        let zero = reading.map_or(least, |known| known.zero.clamp(least, most));
        let lowest = match *reading {
            Some(known) if known.lowest <= zero && came.elapsed.saturating_sub(known.lowest_at) < KEPT => {
                (known.lowest, known.lowest_at)
            }
            _ => (zero, came.elapsed),
        };
        *reading = Some(Reading { zero, lowest: lowest.0, lowest_at: lowest.1 });
        Some(date)
    }

    /// What the service's clock shows at `moment`; `None` where no response has told.
    pub(crate) fn at(&self, moment: Moment) -> Option<Timestamp> {
        self.reading().map(|reading| shifted(reading.zero, moment.elapsed))
    }

    /// Window of a submission whose first attempt left at `first_attempt`, and whose action can have appeared until `end`.
    pub(crate) fn window(&self, first_attempt: Moment, end: Moment) -> Window {
        match *self.reading() {
            Some(Reading { zero, lowest, .. }) => Window::on_service_clock(
                shifted(zero, first_attempt.elapsed),
                shifted(lowest, first_attempt.elapsed),
                shifted(zero, end.elapsed),
            ),
            None => Window::on_own_clock(first_attempt.wall, end.wall),
        }
    }

    fn reading(&self) -> MutexGuard<'_, Option<Reading>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Both of our clocks show the same here.
    fn at(second: i64) -> Moment {
        Moment { wall: Timestamp::from_second(second).unwrap(), elapsed: SignedDuration::from_secs(second) }
    }

    /// Learns from a response dated 1970-01-01T00:`minute`:00, and gives the seconds by which the service's clock is ahead.
    fn learn(time: &ServiceTime, minute: i64, departed: Option<i64>, came: i64) -> i64 {
        let mut headers = HeaderMap::new();
        let date = format!("Thu, 01 Jan 1970 00:{minute:02}:00 GMT");
        headers.insert(DATE, HeaderValue::try_from(date).unwrap());
        assert_eq!(time.learn(&headers, departed.map(at), Some(at(came))).unwrap().as_second(), minute * 60);
        time.at(at(0)).unwrap().as_second()
    }

    #[test]
    fn slow_response_keeps_a_faster_reading() {
        let time = ServiceTime::default();
        assert_eq!(learn(&time, 10, Some(99), 100), 500);
        assert_eq!(learn(&time, 20, Some(690), 730), 500, "it took 40 s, and may have been dated at any of them");
        assert_eq!(learn(&time, 20, None, 730), 500);
        assert_eq!(learn(&time, 21, Some(750), 758), 502, "it cannot be less");
    }

    #[test]
    fn contradicting_dates_clear_by_the_lowest() {
        let time = ServiceTime::default();
        learn(&time, 10, Some(599), 600);
        learn(&time, 40, Some(599), 600);
        let window = time.window(at(600), at(700));
        assert_eq!(window.opens.as_second(), 2_395);
        assert_eq!(window.clears_before.unwrap().as_second(), 600 - 5 - 900);
    }

    #[test]
    fn setting_our_clock_changes_nothing() {
        let time = ServiceTime::default();
        learn(&time, 10, Some(99), 100);
        let set = Moment { wall: Timestamp::from_second(9_999).unwrap(), ..at(200) };
        assert_eq!(time.at(set).unwrap().as_second(), 700);
        assert_eq!(set.at_wall(Timestamp::from_second(9_989).unwrap()).elapsed.as_secs(), 190);
    }

    #[test]
    fn implausible_date_teaches_nothing() {
        let time = ServiceTime::default();
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(time.learn(&headers, None, Some(at(86_401))), None);
        assert_eq!(time.at(at(7)), None);
        assert_eq!(time.learn(&HeaderMap::new(), Some(at(1)), Some(at(2))), None);
        assert_eq!(time.learn(&headers, Some(at(1)), None), None);
        let own = time.window(at(10_000), at(10_120));
        assert_eq!((own.opens.as_second(), own.closes.as_second(), own.clears_before), (9_100, 11_020, None));
    }
}
