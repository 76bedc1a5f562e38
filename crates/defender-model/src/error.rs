//! The error of a value that was refused.

use std::fmt;

/// Error of a value that was refused, as a rule before a request was sent. The text states the fault and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// Kind of value that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An id that could change the path of a request, or that has the wrong form.
    InvalidId,
    /// An empty or blank comment.
    InvalidComment,
    /// A text that is not a hash, or a hash of a kind that the service does not accept.
    InvalidHash,
    /// A machine name that is blank, or that could change the path of a request.
    InvalidName,
    /// A query that the service would refuse.
    InvalidQuery,
    /// Live response commands that the service would refuse.
    InvalidCommands,
    /// A blank tag, or a tag for no machine or for too many machines.
    InvalidTag,
    /// A live response transcript that cannot be read.
    InvalidTranscript,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Returns the kind of value that was refused.
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
