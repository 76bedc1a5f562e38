//! What time it is where the service is.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};

/// How far the service's clock is from ours may be told to a second or so by the header of an answer, and no better.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// What a date may lack, which has no parts of a second.
const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// How far the service's clock is from ours, learned from the `Date` of its answers.
///
/// A date is written between the departure of a request and the coming of its answer, which may take long, and is cut to a whole
/// second. So an answer does not say how far the clock is, but between what bounds; and what is known from an earlier one, which was
/// faster, is kept as long as it lies between them.
#[derive(Debug, Default)]
pub(crate) struct ServiceTime(Mutex<Option<SignedDuration>>);

impl ServiceTime {
    /// Learns from an answer, whose request departed and whose head came at these times of our clock, and gives the date that it
    /// bears.
    pub(crate) fn learn(
        &self,
        headers: &HeaderMap,
        departed: Option<Timestamp>,
        came: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let date = headers.get(DATE).and_then(|date| DateTimeParser::new().parse_timestamp(date.to_str().ok()?).ok());
        if let (Some(date), Some(came)) = (date, came) {
            let least = date.duration_since(came);
            let most = departed.map_or(SignedDuration::MAX, |departed| {
                date.duration_since(departed).saturating_add(A_SECOND).max(least)
            });
            let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *ahead = Some(ahead.map_or(least, |known| known.clamp(least, most)));
        }
        date
    }

    /// What the service's clock showed when ours showed `ours`. The same, as long as nothing else is known.
    pub(crate) fn at(&self, ours: Timestamp) -> Timestamp {
        let ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_default();
        ours.saturating_add(ahead).unwrap_or(ours)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Learns from an answer that was dated at 1970-01-01T00:`minute`:00, and says how far ahead the service is then taken to be.
    fn learn(time: &ServiceTime, minute: i64, departed: Option<i64>, came: i64) -> i64 {
        let mut headers = HeaderMap::new();
        let date = format!("Thu, 01 Jan 1970 00:{minute:02}:00 GMT");
        headers.insert(DATE, HeaderValue::try_from(date).unwrap());
        assert_eq!(time.learn(&headers, departed.map(at), Some(at(came))), Some(at(minute * 60)));
        time.at(at(0)).as_second()
    }

    #[test]
    fn a_slow_answer_takes_nothing_away_from_what_a_fast_one_told() {
        let time = ServiceTime::default();
        assert_eq!(learn(&time, 10, Some(99), 100), 500);
        assert_eq!(learn(&time, 20, Some(690), 730), 500, "it took 40 s, and may have been dated at any of them");
        assert_eq!(learn(&time, 20, None, 730), 500);
        assert_eq!(learn(&time, 21, Some(750), 758), 502, "it cannot be less");
    }

    #[test]
    fn a_clock_that_is_set_is_followed() {
        let time = ServiceTime::default();
        learn(&time, 10, Some(99), 100);
        assert_eq!(learn(&time, 10, Some(599), 600), 2, "ours was set forward; the date may lack a second");
        assert_eq!(learn(&time, 10, Some(99), 100), 500, "and back");
    }

    #[test]
    fn what_bears_no_date_or_came_at_no_time_tells_nothing() {
        let time = ServiceTime::default();
        assert_eq!(time.learn(&HeaderMap::new(), Some(at(1)), Some(at(2))), None);
        assert_eq!(time.at(at(7)), at(7));
    }
}
