//! End of a token's lifetime, in each form in which an issuer may state it.

use std::time::Duration;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

/// More than any token lives: with CAE it is 28 hours, and a longer lifetime is cut to a week.
pub(crate) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Far beyond all dates, and far within the integers that a float represents exactly.
const MOST: f64 = 1e15;

/// A number of whole seconds, or one in a string, as version 1 of the token endpoint and the hosts of managed identities
/// write it; nothing below zero. What is neither is not there.
pub(crate) fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number: f64 = number.filter(|number: &f64| number.is_finite())?;
    Some(Duration::try_from_secs_f64(number.trunc().clamp(0.0, MOST)).ok()?.as_secs())
}

/// As [`seconds`], for how long a token lives: no more than [`LONGEST`].
pub(crate) fn lifetime(value: &Value) -> Option<Duration> {
    seconds(value).map(|seconds| Duration::from_secs(seconds).min(LONGEST))
}

/// Time from `now` to a moment that is given in seconds since 1970 or as a date, which is UTC if it
/// states no zone; zero if the moment has passed.
pub(crate) fn until(value: &Value, now: Timestamp) -> Option<Duration> {
    let now = u64::try_from(now.as_second()).unwrap_or_default();
    let moment = seconds(value).or_else(|| date(value.as_str()?.trim()))?;
    Some(Duration::from_secs(moment.saturating_sub(now)).min(LONGEST))
}

/// The forms that others have met: RFC 3339, the same without a zone, and the American one.
fn date(text: &str) -> Option<u64> {
    let in_utc = |date: DateTime| TimeZone::UTC.to_timestamp(date).ok();
    let moment = text
        .parse()
        .ok()
        .or_else(|| text.parse().ok().and_then(in_utc))
        .or_else(|| DateTime::strptime("%m/%d/%Y %H:%M:%S", text).ok().and_then(in_utc))?;
    u64::try_from(Timestamp::as_second(moment)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetime_is_number_or_text_within_bounds() {
        for (json, expected) in [
            ("3599", Some(3_599)),
            ("\"3599\"", Some(3_599)),
            ("\" 3599 \"", Some(3_599)),
            ("3599.9", Some(3_599)),
            ("\"3599.0\"", Some(3_599)),
            ("0", Some(0)),
            ("0.9", Some(0)),
            ("-5", Some(0)),
            ("\"-5\"", Some(0)),
            ("-1e300", Some(0)),
            ("1000000000000000000", Some(1_000_000_000_000_000)),
            ("1e300", Some(1_000_000_000_000_000)),
            ("18446744073709551615", Some(1_000_000_000_000_000)),
            ("\"soon\"", None),
            ("\"\"", None),
            ("\"NaN\"", None),
            ("\"inf\"", None),
            ("null", None),
            ("[1]", None),
            ("true", None),
            ("{}", None),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(seconds(&value), expected, "{json}");
            assert_eq!(lifetime(&value), expected.map(|all| Duration::from_secs(all).min(LONGEST)), "{json}");
        }
    }

    #[test]
    fn expiry_time_is_number_text_or_date() {
        let now = Timestamp::from_second(1_000).unwrap();
        for (json, expected) in [
            ("4600", Some(3_600)),
            ("\"4600\"", Some(3_600)),
            ("\"1970-01-01T01:16:40Z\"", Some(3_600)),
            ("\"1970-01-01T02:16:40+01:00\"", Some(3_600)),
            ("\"1970-01-01 01:16:40\"", Some(3_600)),
            ("\"01/01/1970 01:16:40\"", Some(3_600)),
            ("999", Some(0)),
            ("\"1969-01-01T00:00:00Z\"", None),
            ("1000000000000000000", Some(LONGEST.as_secs())),
            ("\"9999-12-30T00:00:00Z\"", Some(LONGEST.as_secs())),
            ("\"13/13/1970 01:16:40\"", None),
            ("\"soon\"", None),
            ("null", None),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(until(&value, now).map(|left| left.as_secs()), expected, "{json}");
        }
    }
}
