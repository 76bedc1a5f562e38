//! Requests to the client, and its statements.

use jiff::Timestamp;

use super::server::{Kind, Particulars};

/// Request of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) machine: String,
    pub(crate) comment: String,
    pub(crate) particulars: Particulars,
    pub(crate) resend_if_lost: bool,
}

/// Statement of the client about a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    Created(String),
    Recovered(String),
    Joined(String),
    /// The outcome is not known, for this reason.
    Unknown(String),
    /// Nothing was taken: the kind of the error.
    NotTaken {
        kind: String,
        never_sent: bool,
    },
}

/// Statement of the client at the end of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The action with this id succeeded.
    Succeeded(String),
    /// Anything else: the kind of the error.
    Other(String),
}

/// One submission and what the client said of it; times are the service's.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) submission: u64,
    pub(crate) asked: Asked,
    pub(crate) began: Timestamp,
    /// Time at which the first attempt of its POST was sent, if any was.
    pub(crate) first_attempt: Option<Timestamp>,
    /// Time of the claim.
    pub(crate) claimed: Timestamp,
    pub(crate) claim: Claim,
    pub(crate) waited: Option<Waited>,
    /// The client's own words, for the trace.
    pub(crate) words: String,
}

impl Claim {
    /// The action of an `Ok`.
    pub(crate) fn action(&self) -> Option<&str> {
        match self {
            Self::Created(id) | Self::Recovered(id) | Self::Joined(id) => Some(id),
            Self::Unknown(_) | Self::NotTaken { .. } => None,
        }
    }
}
