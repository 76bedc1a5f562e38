//! What went wrong, by what to do about it.

use std::fmt;

/// Why the outcome of a submission could not be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnknownReason {
    /// The service's list was read to its end after the grace, and no action in it may be the submission's. The request may
    /// never have arrived, or may still.
    NothingFound,
    /// An action in the service's list may be the submission's, and none is for certain:
    /// [`Error::candidates`](crate::Error::candidates) has them. A row that cannot be read counts too:
    /// [`Error::row`](crate::Error::row) has it.
    MayBeOurs,
    /// The machine's actions could not be read: the error's text says why.
    NotReadable,
    /// The quota for reading was used up, so that nobody could look in time: the error's text says how.
    QuotaExhausted,
    /// The service responded with the record of another action, or the record came to state another machine, type or
    /// particulars: [`Error::action`](crate::Error::action) has it.
    OtherRecord,
}

impl UnknownReason {
    /// What is known.
    pub(super) const fn facts(self) -> &'static str {
        match self {
            Self::NothingFound => "no action that may be this one is in the service's list",
            Self::MayBeOurs => "an action in the service's list may be this one and is not for certain",
            Self::NotReadable => "the machine's actions could not be read",
            Self::QuotaExhausted => "the quota for reading was used up, so nobody could look",
            Self::OtherRecord => "the service responded with the record of another action",
        }
    }

    pub(super) const fn to_do(self) -> &'static str {
        match self {
            Self::NothingFound | Self::QuotaExhausted => "`recover(..)` its `intent()` later",
            Self::MayBeOurs => "compare the candidates with what was asked for",
            Self::NotReadable => "`recover(..)` its `intent()` once they can be read",
            Self::OtherRecord => "look at the machine's actions",
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.facts(), self.to_do())
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client is not set up rightly.
    /// *Was it sent?* No. *What to do:* correct what the message names.
    Configuration,
    /// The intent was written down and awaited after its [`latest`](crate::Intent::latest) time.
    /// *Was it sent?* No. *What to do:* decide again whether the action is still wanted, and submit it anew.
    IntentExpired,
    /// What was asked for cannot be sent: an empty comment, a path that is none.
    /// *Was it sent?* No. *What to do:* correct what the message names.
    Request,
    /// There is no token.
    /// *Was it sent?* No. *What to do:* the message has the credential's own error and what to do, [`Error::cause`](crate::Error::cause) that error itself.
    Credential,
    /// The service was not reached.
    /// *Was it sent?* No, for certain. *What to do:* call again.
    ConnectFailed,
    /// An action was sent, or may have been, no answer that says what became of it came back, and it could not be found out.
    /// *Was it sent?* Unknown; it may have taken effect, and may still. *What to do:* keep [`Error::intent`](crate::Error::intent) and
    /// [`recover`](crate::DefenderClient::recover) it later, or look at [`Error::candidates`](crate::Error::candidates), before you send it again.
    OutcomeUnknown,
    /// The service said yes, and its answer cannot be read.
    /// *Was it sent?* Yes. An action has been taken by the service, and its id is not known and could not be found out. *What to
    /// do:* as with [`OutcomeUnknown`](Self::OutcomeUnknown), but never send it again; a read may be repeated.
    InvalidResponse,
    /// A read gave no answer.
    /// *Was it sent?* Perhaps; it changes nothing. *What to do:* call again.
    Interrupted,
    /// The service refuses the request as it is: 400, or another 4xx that has no kind of its own, or a redirect.
    /// *Was it sent?* Yes, and refused. *What to do:* see [`Error::problem`](crate::Error::problem).
    Refused,
    /// An action of this type is pending on this machine already: 400 `ActiveRequestAlreadyExists`.
    /// *Was it sent?* Yes, and refused. *What to do:* wait for the one that is pending. It may be somebody else's, and
    /// may not be what you asked for.
    AlreadyInProgress,
    /// An action stands in the way that is not what was asked for: one of the same type with other particulars, or, of an
    /// ordered action, its inverse. [`Error::action`](crate::Error::action) has its record.
    /// *Was it sent?* Not where that was looked for first, and then [`never_sent`](crate::Error::never_sent) says so; else yes, and it
    /// was not taken. *What to do:* wait for that one, and ask again.
    Conflict,
    /// 401: the token is not accepted.
    /// *Was it sent?* Yes, and refused. *What to do:* check tenant, audience and cloud.
    Unauthorized,
    /// 403: the token does not allow it, or is for another audience.
    /// *Was it sent?* Yes, and refused. *What to do:* by the code. `DisallowedOperation` wants a remediation level of the machine's
    /// device group, and `DisabledFeature` a setting or a license; else grant the permission that the message names, consent to
    /// it, and check the audience.
    Forbidden,
    /// 404: there is no such machine or action.
    /// *Was it sent?* Yes, and refused. *What to do:* check the id; a record may also take two minutes to appear.
    NotFound,
    /// Several machines fit where one is asked for. [`Error::machines`](crate::Error::machines) has them.
    /// *Was it sent?* A read; it changes nothing. *What to do:* choose one of them by its id; see which is a duplicate, and which was
    /// seen last.
    Ambiguous,
    /// The machine was looked at before acting, as asked, and something speaks against it: it does not report, has left, or has a
    /// system that does not support the action. [`Error::machines`](crate::Error::machines) has its record.
    /// *Was it sent?* No, the action was not. *What to do:* see the message; to act all the same, leave the check out.
    UnsuitableMachine,
    /// What an action is to bring is not there yet, since it goes on. [`Error::action`](crate::Error::action) has its record.
    /// *Was it sent?* A read; it changes nothing. *What to do:* wait for the action, and ask again.
    NotReady,
    /// The command has no result that could be fetched: it puts a file onto the machine, or it failed or never ran.
    /// [`Error::action`](crate::Error::action) has its record.
    /// *Was it sent?* No, it was not asked for. *What to do:* see the record's `commands`.
    NoResult,
    /// What came is larger than the limit allows.
    /// *Was it sent?* A read; it changes nothing, and nothing is left behind. *What to do:* raise the limit, if the size is as it
    /// should be.
    TooLarge,
    /// What came is not what it should be: another hash, another file than the one that was begun, or broken compression.
    /// *Was it sent?* A read; it changes nothing, and no file is left behind. *What to do:* download it again; if it stays so, do
    /// not trust it.
    Corrupt,
    /// The local file could not be written, or is there already.
    /// *Was it sent?* Reads at most; they change nothing. *What to do:* see the message.
    Io,
    /// 410: the service does not do this any more.
    /// *Was it sent?* Yes, and refused. *What to do:* see the service's announcements.
    Retired,
    /// Too many requests: 429, or the queue for the quota is longer than the call's time.
    /// *Was it sent?* Yes, and refused; from the queue no, and then [`Error::never_sent`](crate::Error::never_sent) says so. *What to do:* call again
    /// after [`Error::retry_after`](crate::Error::retry_after).
    Throttled,
    /// 408 or 5xx to a read: the service is in trouble.
    /// *Was it sent?* Yes; it changes nothing. *What to do:* call again later.
    Unavailable,
    /// The action ended, and not well: `Failed`, `TimeOut` or `Cancelled`. [`Error::action`](crate::Error::action) has its record.
    /// *Was it sent?* Yes. *What to do:* see the record's `error_h_result` and the machine.
    ActionFailed,
    /// The wait ran out of patience and the action goes on. [`Error::action`](crate::Error::action) has its record as last seen.
    /// *Was it sent?* Yes. *What to do:* wait again, by its id.
    WaitTimeout,
}

impl ErrorKind {
    /// What happened; what to do is said at the end of the line.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Configuration => "invalid configuration",
            Self::IntentExpired => "the intent has expired, so nothing was sent",
            Self::Request => "this cannot be sent",
            Self::Credential => "there is no token, so nothing was sent",
            Self::ConnectFailed => "the service was not reached",
            Self::OutcomeUnknown => "it is not known whether this took effect",
            Self::InvalidResponse => "the service accepted this, and its response cannot be read",
            Self::Interrupted => "no response came",
            Self::Refused => "the service refuses this",
            Self::AlreadyInProgress => "an action of this type is pending on this machine already",
            Self::Conflict => "another action stands in the way",
            Self::Unauthorized => "the service does not accept the token",
            Self::Forbidden => "the service does not allow this",
            Self::NotFound => "not found",
            Self::Ambiguous => "several machines fit",
            Self::UnsuitableMachine => "the machine is not fit for this, so nothing was done",
            Self::NotReady => "it is not there yet, since the action goes on",
            Self::NoResult => "there is no result to fetch",
            Self::TooLarge => "it is larger than the limit",
            Self::Corrupt => "what came is not what it should be",
            Self::Io => "the local file cannot be written",
            Self::Retired => "the service does not do this any more",
            Self::Throttled => "too many requests",
            Self::Unavailable => "the service is in trouble",
            Self::ActionFailed => "the action did not succeed",
            Self::WaitTimeout => "the wait is over, and the action goes on",
        }
    }
}
