//! Events of an observer. All fields have values of low cardinality.

use std::time::Duration;

use defender_transport::ErrorKind as TransportErrorKind;

use crate::ErrorKind;

/// Value of a name that this version does not know, as in the OpenTelemetry conventions.
pub const OTHER: &str = "_OTHER";

/// End of a call, an action or a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// The result is `Ok`.
    Succeeded,
    /// The result is an error of this kind.
    Failed(ErrorKind),
    /// The future was dropped before its end.
    Dropped,
}

impl End {
    /// Returns the value of the OpenTelemetry attribute `error.type`: the name of the [`ErrorKind`], or `Dropped`. `None` after a
    /// success.
    #[must_use]
    pub fn error_type(self) -> Option<String> {
        match self {
            Self::Succeeded => None,
            Self::Failed(kind) => Some(format!("{kind:?}")),
            Self::Dropped => Some("Dropped".to_owned()),
        }
    }
}

/// End of a call of the API, with all its attempts.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallEnded<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path below the prefix with placeholders for its ids, such as `/machines/{id}/isolate`. [`OTHER`] for a path of
    /// [`get`](crate::DefenderClient::get) or [`post`](crate::DefenderClient::post) that belongs to no known operation.
    pub template: &'a str,
    /// HTTP status of the last response; `None` if there was none or the call was dropped.
    pub status: Option<u16>,
    /// Result of the call.
    pub end: End,
    /// Time from the first poll to the end, with the waits in the queue and between attempts.
    pub duration: Duration,
    /// Time in the client's own queue for the quota, of all attempts together. A wait that was dropped is not included.
    pub queue_wait: Duration,
    /// Number of attempts that left the queue. Zero if the turn of the call did not come in time.
    pub attempts: u32,
    /// Number of responses with the status 429.
    pub throttled: u32,
}

/// Task that concerns an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActionTask {
    /// Submission of an action, the search after a lost response included.
    Submit,
    /// Search for the action of an intent: [`recover`](crate::DefenderClient::recover) and
    /// [`recover_all`](crate::DefenderClient::recover_all).
    Recover,
    /// Cancellation of an action.
    Cancel,
}

impl ActionTask {
    /// Returns the value of a label: `submit`, `recover` or `cancel`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Recover => "recover",
            Self::Cancel => "cancel",
        }
    }
}

/// Outcome of a submission, a recovery or a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActionOutcome {
    /// The service accepted a new action: [`Origin::Created`](crate::Origin::Created).
    Created,
    /// The same action was in progress already: [`Origin::Joined`](crate::Origin::Joined).
    Joined,
    /// The response was lost, and the search found the action: [`Origin::Recovered`](crate::Origin::Recovered).
    Recovered,
    /// The action was cancelled.
    Cancelled,
    /// The service did not accept the request, for certain.
    NotAccepted,
    /// The request may have taken effect, or may still take effect. Also the outcome of a submission or a cancellation that was
    /// dropped, even if it had not been sent yet, and of a recovery that found no action.
    Unknown,
}

impl ActionOutcome {
    /// Returns the value of a label: the name in lower case with `_`, such as `not_accepted`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Joined => "joined",
            Self::Recovered => "recovered",
            Self::Cancelled => "cancelled",
            Self::NotAccepted => "not_accepted",
            Self::Unknown => "unknown",
        }
    }
}

/// End of a submission, a recovery or a cancellation. An invalid request, which is refused before anything is sent, is not reported.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ActionEnded<'a> {
    /// Submission, recovery or cancellation.
    pub task: ActionTask,
    /// Type of the action, such as `Isolate`, or the type of an action of your own. [`OTHER`] if the type is not known: that of a
    /// recovered intent which is not [registered](crate::DefenderClientBuilder::action), or of a cancelled action without a record.
    pub action_type: &'a str,
    /// Outcome.
    pub outcome: ActionOutcome,
    /// Result.
    pub end: End,
    /// Number of attempts of the request. Zero for a recovery, and for a submission that was dropped.
    pub attempts: u32,
    /// Time from the first poll to the end, with the search after a lost response.
    pub duration: Duration,
}

/// End of a wait for an action.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WaitEnded<'a> {
    /// Type of the action. [`OTHER`] if it is not known.
    pub action_type: &'a str,
    /// Last known status of the action, such as `Succeeded`. [`OTHER`] if it is not known.
    pub status: &'a str,
    /// Result of the wait. [`Failed`](End::Failed) with [`ActionFailed`](ErrorKind::ActionFailed) if the action did not succeed.
    pub end: End,
    /// Time from the start of the wait to its end.
    pub duration: Duration,
}

/// End of one request to a token endpoint or to the host of a managed identity.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TokenRequestEnded {
    /// HTTP status of the response; `None` if there was none.
    pub status: Option<u16>,
    /// Kind of the transport's error, if there was no complete response.
    pub error: Option<TransportErrorKind>,
    /// Time from sending the request to the end of its response.
    pub duration: Duration,
}

impl TokenRequestEnded {
    /// Returns the value of the OpenTelemetry attribute `error.type`: the name of the transport's error, the status of a refusal, or
    /// `Dropped`. `None` after a success.
    #[must_use]
    pub fn error_type(&self) -> Option<String> {
        match (self.error, self.status) {
            (Some(kind), _) => Some(format!("{kind:?}")),
            (None, Some(status)) if (200..300).contains(&status) => None,
            (None, Some(status)) => Some(status.to_string()),
            (None, None) => Some("Dropped".to_owned()),
        }
    }
}
