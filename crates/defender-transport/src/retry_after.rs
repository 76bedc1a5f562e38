//! `Retry-After`, in both of its forms.

use std::time::Duration;

use http::{
    HeaderMap, HeaderValue,
    header::{DATE, RETRY_AFTER},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Time that the server asks to wait before the next attempt, by the response's `Retry-After` ([RFC 9110, 10.2.3]).
///
/// It comes as seconds or as a date. A date is measured against the response's own `Date`, so that it does not matter
/// whether the two clocks agree. If the response has no `Date`, or one by which the wait is more than a day, the date is measured
/// against `now`, and a wait of more than five minutes by that is taken for a difference of the clocks and is one minute. A date
/// that is past asks for no wait. Of several, the longest counts. A value that cannot be read as either is `None`, as if it were
/// absent.
/// The wait is as long as the server asks, a day if need be: the caller bounds it.
///
/// ```
/// use std::time::Duration;
/// use defender_transport::retry_after;
/// use http::{HeaderMap, HeaderValue, header};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
/// assert_eq!(retry_after(&headers, jiff::Timestamp::UNIX_EPOCH), Some(Duration::from_secs(30)));
/// ```
///
/// [RFC 9110, 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let own_date = headers.get(DATE).and_then(date);
    let wait = |value: &HeaderValue| {
        let by_date = own_date.and_then(|date| until(value, date)).filter(|wait| *wait <= LONGEST);
        let by_clock = || until(value, now).map(|wait| if wait > LONGEST_BY_CLOCK { BY_CLOCK } else { wait });
        by_date.or_else(by_clock)
    };
    headers.get_all(RETRY_AFTER).iter().filter_map(|value| seconds(value).or_else(|| wait(value))).max()
}

/// A `Date` by which the wait is longer is not a clock.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A longer wait by our own clock is a difference of the clocks.
const LONGEST_BY_CLOCK: Duration = Duration::from_secs(300);

/// The wait that replaces a longer one.
const BY_CLOCK: Duration = Duration::from_secs(60);

/// Digits and nothing else. More of them than a number holds are a very long wait.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let digits = value.as_bytes().trim_ascii();
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    are_digits.then(|| {
        let seconds = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        seconds.map_or(Duration::MAX, Duration::from_secs)
    })
}

fn until(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let wait = date(value)?.duration_since(now);
    Some(wait.max(jiff::SignedDuration::ZERO).unsigned_abs())
}

/// The three forms of a date that a recipient must take ([RFC 9110, 5.6.7]), all of them UTC.
///
/// [RFC 9110, 5.6.7]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
fn date(value: &HeaderValue) -> Option<Timestamp> {
    const FORMS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let text = value.to_str().ok()?.trim();
    let date = FORMS.iter().find_map(|form| DateTime::strptime(form, text).ok())?;
    TimeZone::UTC.to_timestamp(date).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 6 November 1994, 08:49:37 UTC, as the RFC's own examples.
    const THEN: Timestamp = Timestamp::constant(784_111_777, 0);

    fn headers(retry_after: &str, date: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(retry_after.as_bytes()).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        headers
    }

    fn read(value: &str, now: Timestamp) -> Option<u64> {
        retry_after(&headers(value, None), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_seconds() {
        for (text, wait) in [("0", 0), ("7", 7), (" 120 ", 120), ("86400", 86_400), ("007", 7)] {
            assert_eq!(read(text, THEN), Some(wait), "{text}");
        }
        assert_eq!(read(&"9".repeat(40), THEN), Some(u64::MAX), "longer than anyone waits, and not zero");
    }

    #[test]
    fn all_three_date_forms_are_read() {
        let before = THEN - Duration::from_secs(90);
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(read(text, before), Some(90), "{text}");
        }
    }

    #[test]
    fn date_is_measured_by_server_clock() {
        let headers = headers("Sun, 06 Nov 1994 08:50:07 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        let an_hour_ahead = THEN + Duration::from_secs(3_600);
        assert_eq!(retry_after(&headers, an_hour_ahead), Some(Duration::from_secs(30)));
    }

    #[test]
    fn invalid_date_falls_back_to_local_clock() {
        let headers = headers("Sun, 06 Nov 1994 08:50:07 GMT", Some("today"));
        assert_eq!(retry_after(&headers, THEN), Some(Duration::from_secs(30)));
    }

    #[test]
    fn past_date_asks_for_no_wait() {
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT", THEN + Duration::from_secs(1)), Some(0));
    }

    #[test]
    fn garbage_is_ignored() {
        assert_eq!(retry_after(&HeaderMap::new(), THEN), None);
        for text in ["", "soon", "-5", "+5", "1.5", "5 s", "0x10", "2026-01-01T00:00:00Z", "Sun, 06 Nov 1994", "ü", "٣"]
        {
            assert_eq!(read(text, THEN), None, "{text}");
        }
    }

    #[test]
    fn of_several_the_longest_counts() {
        let mut headers = headers("5", None);
        for value in ["soon", "30", "Sun, 06 Nov 1994 08:49:47 GMT"] {
            headers.append(RETRY_AFTER, HeaderValue::from_static(value));
        }
        assert_eq!(retry_after(&headers, THEN), Some(Duration::from_secs(30)));
    }

    #[test]
    fn implausible_date_is_ignored() {
        let after = "Sun, 06 Nov 1994 08:49:47 GMT";
        for (date, now, wait) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", THEN, 10),
            ("Thu, 01 Jan 1970 00:00:00 GMT", THEN - Duration::from_secs(3_600), 60),
            ("Sun, 06 Nov 1994 08:49:17 GMT", THEN - Duration::from_secs(3_600), 30),
            ("today", THEN, 10),
        ] {
            let wait = Duration::from_secs(wait);
            assert_eq!(retry_after(&headers(after, Some(date)), now), Some(wait), "{date}");
        }
    }

    proptest! {
        #[test]
        fn every_date_is_read_back(now in 0_i64..4_000_000_000, ahead in 0_u32..100_000) {
            let (now, ahead) = (Timestamp::from_second(now).unwrap(), Duration::from_secs(ahead.into()));
            let date = (now + ahead).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let by_clock = if ahead > Duration::from_secs(300) { Duration::from_secs(60) } else { ahead };
            prop_assert_eq!(retry_after(&headers(&date, None), now), Some(by_clock));
        }

        #[test]
        fn no_bytes_break_it(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(RETRY_AFTER, value.clone());
                headers.insert(DATE, value);
            }
            let _ = retry_after(&headers, THEN);
        }
    }
}
