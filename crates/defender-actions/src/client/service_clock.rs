//! The clock of the service, learned from the dates of its responses.

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

/// Largest plausible distance of a `Date` from our clock.
const FURTHEST: SignedDuration = SignedDuration::from_hours(24);

/// The lowest of contradicting readings is kept for this time, or up to twice as long.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// Moment on the wall clock and on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    /// Monotonic time. Setting the wall clock does not change it.
    pub(crate) elapsed: SignedDuration,
}

impl Moment {
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), elapsed: signed(clock.elapsed()) }
    }

    /// Returns the moment at which our wall clock shows `wall`, seen from this moment.
    pub(crate) fn at_wall(self, wall: Timestamp) -> Self {
        let ago = self.wall.duration_since(wall);
        Self { wall, elapsed: self.elapsed.saturating_sub(ago) }
    }

    /// Returns the moment that is `time` later.
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

/// Clock of the service, learned from the `Date` of its responses, relative to our monotonic clock.
///
/// The service writes a `Date` at some time between the send time of a request and the arrival of its response, in whole seconds.
/// So a response gives two bounds of the clock. An earlier and faster reading is kept while it lies between them.
#[derive(Debug, Default)]
pub(crate) struct ServiceTime(Mutex<Learned>);

#[derive(Debug, Default)]
struct Learned {
    reading: Option<Reading>,
    /// Text and time of the last `Date`. Most responses of one second have the same: this saves 750 of a call's 140,000 instructions.
    last_date: Option<([u8; DATE_LENGTH], Timestamp)>,
}

/// Length of a `Date` in the form that RFC 9110 requires.
const DATE_LENGTH: usize = 29;

impl Learned {
    fn date(&mut self, text: &[u8]) -> Option<Timestamp> {
        match self.last_date {
            Some((last, date)) if last == text => Some(date),
            _ => {
                let date = DateTimeParser::new().parse_timestamp(text).ok()?;
                self.last_date = text.try_into().ok().map(|text| (text, date));
                Some(date)
            }
        }
    }
}

/// Time on the service's clock at the zero of our monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    zero: Timestamp,
    lowest: Lowest,
}

/// Lowest readings of the last hour. Responses may contradict each other; the most pessimistic one decides if a record is too old.
#[derive(Clone, Copy, Debug)]
struct Lowest {
    /// Lowest reading since `since`.
    current: Timestamp,
    since: SignedDuration,
    /// Lowest reading of the time before.
    previous: Timestamp,
}

impl Lowest {
    fn first(zero: Timestamp, now: SignedDuration) -> Self {
        Self { current: zero, since: now, previous: zero }
    }

    fn with(self, zero: Timestamp, now: SignedDuration) -> Self {
        match now.saturating_sub(self.since) {
            age if age < KEPT => Self { current: self.current.min(zero), ..self },
            age if age < KEPT.saturating_mul(2) => Self { current: zero, since: now, previous: self.current },
            _ => Self::first(zero, now),
        }
    }

    fn get(self) -> Timestamp {
        self.current.min(self.previous)
    }
}

impl ServiceTime {
    /// Learns from a response of the service whose request was sent and whose head came at these moments. Returns the `Date` of
    /// the response, if it is plausible.
    pub(crate) fn learn(
        &self,
        headers: &HeaderMap,
        sent: Option<Moment>,
        received: Option<Moment>,
    ) -> Option<Timestamp> {
        let mut learned = self.learned();
        let date = learned.date(headers.get(DATE)?.as_bytes())?;
        let received = received?;
        if date.duration_since(received.wall).abs() > FURTHEST {
            return None;
        }
        let least = shifted(date, SignedDuration::ZERO.saturating_sub(received.elapsed));
        let most = sent.map_or(Timestamp::MAX, |sent| shifted(date, A_SECOND.saturating_sub(sent.elapsed)).max(least));
        let zero = learned.reading.map_or(least, |known| known.zero.clamp(least, most));
        let lowest = match learned.reading {
            Some(known) => known.lowest.with(zero, received.elapsed),
            None => Lowest::first(zero, received.elapsed),
        };
        learned.reading = Some(Reading { zero, lowest });
        Some(date)
    }

    /// Returns the service's time at `moment`; `None` before the first response.
    pub(crate) fn at(&self, moment: Moment) -> Option<Timestamp> {
        self.learned().reading.map(|reading| shifted(reading.zero, moment.elapsed))
    }

    /// Returns the window of a submission whose first attempt was sent at `first_attempt`, and whose action may appear until `end`.
    pub(crate) fn window(&self, first_attempt: Moment, end: Moment) -> Window {
        match self.learned().reading {
            Some(Reading { zero, lowest, .. }) => {
                Window::on_service_clock(zero, lowest.get(), first_attempt.elapsed, end.elapsed)
            }
            None => Window::on_own_clock(first_attempt.wall, end.wall),
        }
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Returns a moment at which both of our clocks show the same.
    fn at(second: i64) -> Moment {
        Moment { wall: Timestamp::from_second(second).unwrap(), elapsed: SignedDuration::from_secs(second) }
    }

    /// Learns from a response dated 1970-01-01T00:`minute`:00. Returns the seconds by which the service's clock is ahead.
    fn learn(time: &ServiceTime, minute: i64, sent: Option<i64>, received: i64) -> i64 {
        let mut headers = HeaderMap::new();
        let date = format!("Thu, 01 Jan 1970 00:{minute:02}:00 GMT");
        headers.insert(DATE, HeaderValue::try_from(date).unwrap());
        assert_eq!(time.learn(&headers, sent.map(at), Some(at(received))).unwrap().as_second(), minute * 60);
        time.at(at(0)).unwrap().as_second()
    }

    #[test]
    fn slow_response_keeps_a_faster_reading() {
        let time = ServiceTime::default();
        assert_eq!(learn(&time, 10, Some(99), 100), 500);
        assert_eq!(learn(&time, 20, Some(690), 730), 500, "the date is from any of the 40 s");
        assert_eq!(learn(&time, 20, None, 730), 500);
        assert_eq!(learn(&time, 21, Some(750), 758), 502, "the lower bound has risen");
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
    fn lowest_reading_is_kept_for_an_hour() {
        let time = ServiceTime::default();
        for minute in 1..60 {
            learn(&time, minute, Some(minute * 60 - 1), minute * 60);
        }
        // A gateway whose clock is an hour ahead.
        let mut ahead = HeaderMap::new();
        for second in [3_595, 3_601, 5_400, 7_130] {
            let date = at(second + 3_600).wall;
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
            ahead.insert(DATE, HeaderValue::try_from(date).unwrap());
            time.learn(&ahead, Some(at(second - 1)), Some(at(second))).unwrap();
            let clears_before = time.window(at(second), at(second)).clears_before.unwrap().as_second();
            assert!((second - 906..=second - 904).contains(&clears_before), "{second}: {clears_before}");
        }
        time.learn(&ahead, Some(at(11_000)), Some(at(11_001))).unwrap();
        assert!(time.window(at(11_001), at(11_001)).clears_before.unwrap() > at(8_000).wall, "it is forgotten");
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
