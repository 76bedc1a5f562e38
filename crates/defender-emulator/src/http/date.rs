//! The header `Date`, by the emulator's clock.

use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

/// The date of the second that was last asked for: hyper would put the machine's own on.
#[derive(Debug, Default)]
pub(crate) struct HttpDate(Mutex<Option<(i64, HeaderValue)>>);

impl HttpDate {
    pub(crate) fn at(&self, now: Timestamp) -> Option<HeaderValue> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((second, date)) = &*last
            && *second == now.as_second()
        {
            return Some(date.clone());
        }
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()?;
        let date = HeaderValue::try_from(date).ok()?;
        *last = Some((now.as_second(), date.clone()));
        Some(date)
    }
}
