//! Notices of the service about the end of its operations.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use defender_model::sanitize_line;
use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::client::operation::Operation;

/// Notice of the service about the end of an operation: the header `Deprecation` (RFC 9745) or `Sunset` (RFC 8594), or the status
/// 410.
///
/// A notice changes nothing that is sent. With the feature `tracing`, the first notice of each operation is also an event `WARN`
/// of the target `defender_actions::lifecycle`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeprecationNotice {
    /// Operation: method, and path below the prefix with placeholders.
    pub operation: String,
    /// True if the operation is gone: the service responded with 410.
    pub gone: bool,
    /// Start of the deprecation, as the service writes it: as a rule `@` and the seconds since 1970.
    pub deprecation: Option<String>,
    /// End of the operation, as the service writes it: a date.
    pub sunset: Option<String>,
    /// Further information, as the service writes it (the header `Link`).
    pub link: Option<String>,
}

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Longest text that is kept of a header, in characters.
const LONGEST: usize = 500;

/// Most operations with a notice. The service has fewer operations.
const MOST: usize = 256;

impl DeprecationNotice {
    /// Reads the notice of a response, if it has one.
    fn of(operation: &Operation, status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| {
            headers.get(name).map(|value| sanitize_line(&String::from_utf8_lossy(value.as_bytes()), LONGEST))
        };
        let (gone, deprecation, sunset) = (status == StatusCode::GONE, text(DEPRECATION), text(SUNSET));
        if !gone && deprecation.is_none() && sunset.is_none() {
            return None;
        }
        Some(Self { operation: operation.to_string(), gone, deprecation, sunset, link: text(header::LINK) })
    }
}

impl fmt::Display for DeprecationNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, gone, deprecation, sunset, link } = self;
        write!(f, "the service {} {operation}", if *gone { "has removed" } else { "announces the end of" })?;
        let details = [("deprecated since", deprecation), ("ends", sunset), ("details:", link)];
        for (label, text) in details {
            if let Some(text) = text {
                write!(f, "; {label} {text}")?;
            }
        }
        Ok(())
    }
}

/// Last notice of each operation.
#[derive(Debug, Default)]
pub(crate) struct DeprecationNotices(Mutex<BTreeMap<String, DeprecationNotice>>);

impl DeprecationNotices {
    /// Records the notice of a response, and traces the first one of each operation.
    pub(crate) fn note(&self, operation: &Operation, status: StatusCode, headers: &HeaderMap) {
        let Some(notice) = DeprecationNotice::of(operation, status, headers) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&notice.operation) {
            if known.len() >= MOST {
                return;
            }
            trace(&notice);
        }
        known.insert(notice.operation.clone(), notice);
    }

    pub(crate) fn all(&self) -> Vec<DeprecationNotice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// Event of the first notice of an operation.
#[cfg(feature = "tracing")]
fn trace(notice: &DeprecationNotice) {
    let DeprecationNotice { operation, gone, deprecation, sunset, .. } = notice;
    let (deprecation, sunset) = (deprecation.as_deref(), sunset.as_deref());
    tracing::warn!(
        target: "defender_actions::lifecycle",
        operation,
        gone,
        deprecation,
        sunset,
        "the service announces the end of an operation"
    );
}

#[cfg(not(feature = "tracing"))]
fn trace(_: &DeprecationNotice) {}
