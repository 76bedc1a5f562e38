//! Judgment of an error: its meaning for the row of the call.

use std::time::Duration;

use defender_actions::{Error as ServiceError, ErrorKind, UnknownReason};

/// Time after which a refused request is sent again, if neither the service nor the queue names one.
const SEND_AGAIN: Duration = Duration::from_secs(30);

/// Kinds of errors after which nothing has happened on the machine.
pub(super) const REFUSALS: [ErrorKind; 7] = [
    ErrorKind::Request,
    ErrorKind::Refused,
    ErrorKind::AlreadyInProgress,
    ErrorKind::Conflict,
    ErrorKind::Forbidden,
    ErrorKind::NotFound,
    ErrorKind::Retired,
];

/// Meaning of a submission's error for its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing happened, and the same request may be sent after this time.
    Later(Duration),
    /// Nothing happened, since the service or the sign-in was not reached.
    Unreachable,
    /// Nothing happened, and the next row would fail as well.
    Stop,
    /// The outcome is known, and the journal does not have it: the row stays as it is, and is recovered.
    Recover,
    /// The action may have been done, and the search for it was not finished.
    Search,
    /// Nothing happened on this machine.
    Failed,
    /// The action may have been done.
    Unknown,
}

impl Verdict {
    /// Returns the verdict on the error of a submission.
    pub(super) fn of(error: &ServiceError) -> Self {
        use {ErrorKind as K, UnknownReason as R};
        match error.kind() {
            K::Journal if !error.never_sent() => Self::Recover,
            _ if error.is_outcome_unknown() => match error.reason() {
                Some(R::NotReadable | R::QuotaExhausted | R::EarlierRequest) => Self::Search,
                _ => Self::Unknown,
            },
            K::Throttled => Self::Later(error.retry_after().unwrap_or(SEND_AGAIN)),
            K::IntentExpired => Self::Later(Duration::ZERO),
            K::ConnectFailed => Self::Unreachable,
            K::Credential if error.is_retryable() => Self::Unreachable,
            K::Configuration | K::Credential | K::QuotaStore | K::Journal | K::Unauthorized => Self::Stop,
            kind if REFUSALS.contains(&kind) => Self::Failed,
            _ if error.never_sent() => Self::Stop,
            _ => Self::Unknown,
        }
    }

    /// Returns the verdict on the error of a wait. `is_of_list` if the list failed, and not the
    /// record of the action.
    pub(super) fn of_wait(error: &ServiceError, is_of_list: bool) -> Self {
        use ErrorKind as K;
        match error.kind() {
            K::ActionFailed => Self::Failed,
            K::OutcomeUnknown => Self::Unknown,
            K::NotFound | K::Forbidden if !is_of_list => Self::Unknown,
            _ => Self::Stop,
        }
    }
}
