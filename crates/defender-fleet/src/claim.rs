//! Rows of which this process sends the requests, and the keys of their attempts.

use defender_store::{RunId, WorkerId};

/// First part of the key of each request of a run.
pub(crate) const PREFIX: &str = "run/";

/// Returns the key of an attempt of a row.
pub(crate) fn key(run: &RunId, index: u32, attempt: u32) -> String {
    format!("{PREFIX}{run}/{index}/{attempt}")
}

/// Reason for which a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDeparted {
    /// The run is halted.
    Halted,
    /// Another worker has the row.
    NotHeld,
}

/// Row of which this process sends the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) run: RunId,
    pub(crate) index: u32,
    pub(crate) worker: WorkerId,
}
