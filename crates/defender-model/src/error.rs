//! Why a value was refused.

use std::fmt;

/// A value that was refused, as a rule before anything was sent. Its message says what was wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An id that could change the path that it stands in, or is not of its kind.
    InvalidId,
    /// A comment that says nothing.
    InvalidComment,
    /// A hash of another kind than the service takes, or no hash.
    InvalidHash,
    /// A machine's name that could change the path that it stands in, or says nothing.
    InvalidName,
    /// A query that the service would refuse.
    InvalidQuery,
    /// Live response commands that the service would refuse.
    InvalidCommands,
    /// A tag that says nothing, or that is for too many machines at once.
    InvalidTag,
    /// A transcript of live response that is none.
    InvalidTranscript,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What was refused.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
