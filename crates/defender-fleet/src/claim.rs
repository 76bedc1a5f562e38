//! Rows of which this process sends the requests, and the keys of their attempts.

use defender_actions::JournalError;
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
    /// Another worker of this process has claimed the row, before or after. The store knows who has it.
    Taken,
}

impl From<NotDeparted> for JournalError {
    fn from(why: NotDeparted) -> Self {
        Self::new(match why {
            NotDeparted::Halted => "the run is halted, so nothing was sent; resume the run",
            NotDeparted::NotHeld | NotDeparted::Taken => "another worker has the row, so nothing was sent",
        })
    }
}

/// Row of which this process sends the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) run: RunId,
    pub(crate) index: u32,
    pub(crate) attempt: u32,
    pub(crate) worker: WorkerId,
}
