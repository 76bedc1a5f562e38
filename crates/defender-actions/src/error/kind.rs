//! Kinds of errors.

use std::fmt;

/// Reason why the outcome of a submission is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnknownReason {
    /// No action in the service's list may be the submission's. The list was read to its end after the visibility timeout. The
    /// request may never have arrived, or may still arrive.
    NothingFound,
    /// Actions in the service's list may be the submission's, and none is for certain:
    /// [`Error::candidates`](crate::Error::candidates) has them. A row that cannot be read is also a candidate:
    /// [`Error::row`](crate::Error::row) has it.
    MayBeOurs,
    /// The machine's actions could not be read. The text of the error has the reason.
    NotReadable,
    /// The quota for reads was used up, so the search did not take place in time. The text of the error has details.
    QuotaExhausted,
    /// The service responded with the record of another action, or a later record states another machine, type or particulars:
    /// [`Error::action`](crate::Error::action) has it.
    OtherRecord,
    /// The journal has an earlier request with the same key, whose outcome is not known. This call sent nothing.
    /// [`Error::intent`](crate::Error::intent) is that of the earlier request.
    EarlierRequest,
}

impl UnknownReason {
    /// Returns the known facts.
    pub(super) const fn facts(self) -> &'static str {
        match self {
            Self::NothingFound => "the service's list has no action that may be this one",
            Self::MayBeOurs => "an action in the service's list may be this one, and it is not certain",
            Self::NotReadable => "the machine's actions could not be read",
            Self::QuotaExhausted => "the quota for reads was used up, so the list was not searched",
            Self::OtherRecord => "the service responded with the record of another action",
            Self::EarlierRequest => {
                "an earlier request with this journal key has no known outcome, so nothing was sent"
            }
        }
    }

    /// Returns the advice.
    pub(super) const fn to_do(self) -> &'static str {
        match self {
            Self::NothingFound | Self::QuotaExhausted => "call `recover(..)` with its `intent()` later",
            Self::MayBeOurs => "compare the candidates with your request",
            Self::NotReadable => "call `recover(..)` with its `intent()` once they can be read",
            Self::OtherRecord => "look at the machine's actions",
            Self::EarlierRequest => "call `recover_pending()`, or `recover(..)` with its `intent()`",
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.facts(), self.to_do())
    }
}

/// Kind of an error. Each kind documents if the request was sent and what to do.
///
/// The line of an error ends with the [name](Self::name) of its kind in brackets. `docs/guides/troubleshooting.md` in the
/// repository has a heading for each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration of the client is invalid.
    /// *Was it sent?* No. *What to do:* correct what the message names.
    Configuration,
    /// The intent was written down and awaited after its [`latest`](crate::Intent::latest) time.
    /// *Was it sent?* No. *What to do:* decide again whether the action is still wanted, and submit it anew.
    IntentExpired,
    /// The request is invalid: an empty comment, an invalid path.
    /// *Was it sent?* No. *What to do:* correct what the message names.
    Request,
    /// The credential returned no token.
    /// *Was it sent?* No. *What to do:* follow the message, which has the credential's own error and its advice.
    /// [`Error::cause`](crate::Error::cause) returns that error.
    Credential,
    /// The client could not connect to the service.
    /// *Was it sent?* No, for certain. *What to do:* call again if [`Error::is_retryable`](crate::Error::is_retryable); otherwise fix the
    /// cause first, since each attempt fails in the same way.
    ConnectFailed,
    /// The store of the shared quota did not respond.
    /// *Was it sent?* No. *What to do:* check the store; then it is safe to call again.
    QuotaStore,
    /// The [journal](crate::Journal) failed.
    /// *Was it sent?* No, if it did not take the intent; then [`Error::never_sent`](crate::Error::never_sent) is true. Otherwise yes:
    /// [`Error::action`](crate::Error::action) has the action, whose outcome is not in the journal. *What to do:* check the journal. If
    /// the request was not sent, call again; else [`recover_pending`](crate::DefenderClient::recover_pending) finds the action.
    Journal,
    /// A request that changes something was sent or may have been sent, and no response shows its outcome. For an action, the search
    /// in the service's list did not find the outcome either.
    /// *Was it sent?* Unknown. The request may have taken effect, and may still take effect. *What to do:* keep
    /// [`Error::intent`](crate::Error::intent) and [`recover`](crate::DefenderClient::recover) it later, or look at
    /// [`Error::candidates`](crate::Error::candidates), before you send the request again.
    OutcomeUnknown,
    /// The service accepted the request, and its response cannot be read.
    /// *Was it sent?* Yes. The service has accepted an action, and the search has not found its id. *What to do:* as with
    /// [`OutcomeUnknown`](Self::OutcomeUnknown), but never send an action again; a read may be repeated.
    InvalidResponse,
    /// A read got no response.
    /// *Was it sent?* Possibly; a read changes nothing. *What to do:* call again.
    Interrupted,
    /// The service refused the request: 400, another 4xx without a kind of its own, or a redirect.
    /// *Was it sent?* Yes, and refused. *What to do:* see [`Error::problem`](crate::Error::problem).
    Refused,
    /// An action of this type is already pending on this machine: 400 `ActiveRequestAlreadyExists`.
    /// *Was it sent?* Yes, and refused. *What to do:* wait for the pending action. It may be somebody else's, and may differ from
    /// yours.
    AlreadyInProgress,
    /// A conflicting action is in progress: one of the same type with other particulars, or the inverse of the action after
    /// [`refuse_if_inverse_pending`](crate::ActionRequest::refuse_if_inverse_pending). [`Error::action`](crate::Error::action) has its
    /// record.
    /// *Was it sent?* No, if the check before the request found the other action; then [`never_sent`](crate::Error::never_sent) is true.
    /// Otherwise yes, and the service did not accept it. *What to do:* wait for the other action, and submit yours again.
    Conflict,
    /// 401: the service did not accept the token.
    /// *Was it sent?* Yes, and refused. *What to do:* check tenant, audience and cloud.
    Unauthorized,
    /// 403: the token does not allow the request, or is for another audience.
    /// *Was it sent?* Yes, and refused. *What to do:* depends on the code. `DisallowedOperation` needs a remediation level of the
    /// machine's device group, `DisabledFeature` a setting or a license. For any other code, grant the permission that the message
    /// names, consent to it, and check the audience.
    Forbidden,
    /// 404: there is no such machine or action.
    /// *Was it sent?* Yes, and refused. *What to do:* check the id; a new record may also take two minutes to appear.
    NotFound,
    /// Several machines match, and one was requested. [`Error::machines`](crate::Error::machines) has them.
    /// *Was it sent?* A read; it changes nothing. *What to do:* choose one of them by its id: the records show which is a duplicate and
    /// which was seen last.
    Ambiguous,
    /// The requested check of the machine's record found an issue: the machine does not report, is not onboarded, was merged into
    /// another, or its system does not support the action. [`Error::machines`](crate::Error::machines) has its record.
    /// *Was it sent?* No, the action was not. *What to do:* see the message; to submit the action anyway, leave out the check.
    UnsuitableMachine,
    /// The result of an action is not available yet, since the action is still running. [`Error::action`](crate::Error::action) has its
    /// record.
    /// *Was it sent?* A read; it changes nothing. *What to do:* wait for the action, then call again.
    NotReady,
    /// The command has no result: it puts a file onto the machine, or it failed or never ran. [`Error::action`](crate::Error::action) has
    /// the record of the action.
    /// *Was it sent?* No, if [`Error::never_sent`](crate::Error::never_sent): the record shows that there is no result. Otherwise the
    /// command failed, and its result was requested, since a failed script may have a transcript; a read changes nothing. *What to
    /// do:* see the `commands` of the record.
    NoResult,
    /// The size is above the limit.
    /// *Was it sent?* A read; it changes nothing, and no file remains. An upload was not sent. *What to do:* raise the limit, if the size
    /// is expected.
    TooLarge,
    /// The download is corrupt: another hash, a file that was replaced during the download, or broken compression.
    /// *Was it sent?* A read; it changes nothing, and no file remains. *What to do:* download it again; if the error persists, do not
    /// trust the file.
    Corrupt,
    /// The local file could not be written, or exists already.
    /// *Was it sent?* Reads at most; they change nothing. *What to do:* see the message.
    Io,
    /// 410: the service has removed the operation.
    /// *Was it sent?* Yes, and refused. *What to do:* see the service's deprecation notices.
    Retired,
    /// Too many requests: 429, or the queue for the quota is longer than the timeout of the call.
    /// *Was it sent?* Yes, and refused. From the queue: no, and then [`Error::never_sent`](crate::Error::never_sent) is true.
    /// *What to do:* call again after [`Error::retry_after`](crate::Error::retry_after).
    Throttled,
    /// 408 or 5xx to a read: the service is unavailable.
    /// *Was it sent?* Yes; a read changes nothing. *What to do:* call again later.
    Unavailable,
    /// The action ended as `Failed`, `TimeOut` or `Cancelled`. [`Error::action`](crate::Error::action) has its record.
    /// *Was it sent?* Yes. *What to do:* see the record's `error_h_result` and the machine.
    ActionFailed,
    /// The wait timed out, and the action is still running. [`Error::action`](crate::Error::action) has its last known record.
    /// *Was it sent?* Yes. *What to do:* wait again, by the action's id.
    WaitTimeout,
}

impl ErrorKind {
    /// Returns the name that ends the line of an error, such as `outcome-unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::IntentExpired => "intent-expired",
            Self::Request => "request",
            Self::Credential => "credential",
            Self::ConnectFailed => "connect-failed",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::InvalidResponse => "invalid-response",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
            Self::AlreadyInProgress => "already-in-progress",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Ambiguous => "ambiguous",
            Self::UnsuitableMachine => "unsuitable-machine",
            Self::NotReady => "not-ready",
            Self::NoResult => "no-result",
            Self::TooLarge => "too-large",
            Self::Corrupt => "corrupt",
            Self::Io => "io",
            Self::Retired => "retired",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::ActionFailed => "action-failed",
            Self::WaitTimeout => "wait-timeout",
            Self::QuotaStore => "quota-store",
            Self::Journal => "journal",
        }
    }

    /// Returns what failed. The advice is a separate part of the line.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Configuration => "invalid configuration",
            Self::IntentExpired => "the intent has expired, so nothing was sent",
            Self::Request => "invalid request",
            Self::Credential => "no token, so nothing was sent",
            Self::ConnectFailed => "the service was not reached",
            Self::QuotaStore => "no permit of the shared quota",
            Self::Journal => "the journal failed",
            Self::OutcomeUnknown => "outcome unknown",
            Self::InvalidResponse => "the service accepted the request, but its response is invalid",
            Self::Interrupted => "no complete response",
            Self::Refused => "the service refused the request",
            Self::AlreadyInProgress => "an action of this type is already pending on this machine",
            Self::Conflict => "a conflicting action is in progress",
            Self::Unauthorized => "the service did not accept the token",
            Self::Forbidden => "access denied",
            Self::NotFound => "not found",
            Self::Ambiguous => "several machines match",
            Self::UnsuitableMachine => "the machine is not suitable, so nothing was sent",
            Self::NotReady => "not available yet, since the action is still running",
            Self::NoResult => "the command has no result",
            Self::TooLarge => "above the size limit",
            Self::Corrupt => "the download is corrupt",
            Self::Io => "cannot write the local file",
            Self::Retired => "the service has removed this operation",
            Self::Throttled => "too many requests",
            Self::Unavailable => "the service is unavailable",
            Self::ActionFailed => "the action did not succeed",
            Self::WaitTimeout => "the wait timed out, and the action is still running",
        }
    }
}
