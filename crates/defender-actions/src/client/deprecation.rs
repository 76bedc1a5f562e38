//! What the service says of the end of its operations.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use defender_model::sanitize_line;
use http::{HeaderMap, HeaderName, StatusCode, header};

/// What the service has said of an operation's end, with the header `Deprecation` (RFC 9745) or `Sunset` (RFC 8594), or with the
/// status 410.
///
/// Nothing here depends on it: an operation is asked for as long as the caller asks for it. With the feature `tracing`, the
/// first of each operation is an event `WARN` of the target `defender_actions::lifecycle`, too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeprecationNotice {
    /// The operation: its method and its path below the prefix, with placeholders.
    pub operation: String,
    /// Whether it is gone already: it was answered with 410.
    pub gone: bool,
    /// Since when it is deprecated, in the service's words: as a rule `@` and the seconds since 1970.
    pub deprecation: Option<String>,
    /// When it ends, in the service's words: a date.
    pub sunset: Option<String>,
    /// Where more is said, in the service's words (the header `Link`).
    pub link: Option<String>,
}

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// So much of a header is kept, in characters: it is for people, and a link may be long.
const LONGEST: usize = 500;

/// This many operations are remembered; the service has fewer.
const MOST: usize = 256;

impl DeprecationNotice {
    /// What an answer announces, if it announces something.
    fn of(operation: &str, status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| {
            headers.get(name).map(|value| sanitize_line(&String::from_utf8_lossy(value.as_bytes()), LONGEST))
        };
        let (gone, deprecation, sunset) = (status == StatusCode::GONE, text(DEPRECATION), text(SUNSET));
        if !gone && deprecation.is_none() && sunset.is_none() {
            return None;
        }
        Some(Self { operation: operation.to_owned(), gone, deprecation, sunset, link: text(header::LINK) })
    }
}

impl fmt::Display for DeprecationNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, gone, deprecation, sunset, link } = self;
        write!(f, "the service {} {operation}", if *gone { "no longer does" } else { "announces the end of" })?;
        let details = [("deprecated since", deprecation), ("ends", sunset), ("more at", link)];
        for (what, said) in details {
            if let Some(said) = said {
                write!(f, "; {what} {said}")?;
            }
        }
        Ok(())
    }
}

/// The last announcement of each operation.
#[derive(Debug, Default)]
pub(crate) struct Announcements(Mutex<BTreeMap<String, DeprecationNotice>>);

impl Announcements {
    /// Notes what an answer announces, and tells of the first of each operation.
    pub(crate) fn note(&self, operation: &str, status: StatusCode, headers: &HeaderMap) {
        let Some(announcement) = DeprecationNotice::of(operation, status, headers) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(operation) {
            if known.len() >= MOST {
                return;
            }
            crate::submit::span::announced(&announcement);
        }
        known.insert(operation.to_owned(), announcement);
    }

    pub(crate) fn all(&self) -> Vec<DeprecationNotice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
