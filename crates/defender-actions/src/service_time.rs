//! What time it is where the service is.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};

/// How far the service's clock is from ours may be told to a second or so by the header of an answer, and no better.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// How far the service's clock is from ours, learned from the `Date` of its answers.
#[derive(Debug, Default)]
pub(crate) struct ServiceTime(Mutex<Option<SignedDuration>>);

impl ServiceTime {
    /// Learns from an answer that came at `now` on our clock, and gives the date that it bears.
    pub(crate) fn learn(&self, headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
        let date = headers.get(DATE).and_then(|date| DateTimeParser::new().parse_timestamp(date.to_str().ok()?).ok());
        if let Some(date) = date {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.duration_since(now));
        }
        date
    }

    /// What the service's clock showed when ours showed `ours`. The same, as long as nothing else is known.
    pub(crate) fn at(&self, ours: Timestamp) -> Timestamp {
        let ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_default();
        ours.saturating_add(ahead).unwrap_or(ours)
    }
}
