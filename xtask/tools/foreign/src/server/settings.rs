//! Behavior of the service.

/// The version of HTTP that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// Behavior of the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) version: Version,
    /// Calls of a hundred that go wrong.
    pub(crate) percent: f64,
    /// True if responses have a `Date`.
    pub(crate) dates: bool,
    /// Rows of a page.
    pub(crate) page: usize,
}
