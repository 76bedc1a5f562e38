//! Why something was not done, or is not known to be.

mod advice;
mod build;
mod display;
mod kind;
#[cfg(test)]
mod tests;

use std::{error::Error as StdError, sync::Arc, time::Duration};

use defender_model::{ActionId, Code, CommandRecord, Machine, MachineAction, Problem};
use jiff::Timestamp;
use serde_json::Value;

pub(crate) use self::display::word;
pub use self::kind::{ErrorKind, UnknownReason};
use crate::{Intent, permissions::Needs};

/// Why something was not done, or is not known to be done.
///
/// [`kind`](Self::kind) says what to do; what the service said is in [`problem`](Self::problem), and the action that it
/// is about, where one is known, in [`action`](Self::action).
///
/// `{}` is one line for whoever has to act on it: what failed, on what, why, and what to do. `{:#}` has the whole chain of causes
/// in that line. The [cause](Self::cause) is told in the line, so [`source`](StdError::source) leads on to what is beneath it:
/// what prints each source of a chain repeats nothing.
///
/// What comes from outside is in these texts without control characters, in a bounded length, and without the token.
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    context: String,
    /// What is said in place of the kind's own words and the problem.
    message: Option<String>,
    /// What is said in place of the advice that kind and code give.
    advice: Option<String>,
    /// The permissions that the operation takes.
    needs: Option<Needs>,
    never_sent: bool,
    retryable: bool,
    problem: Option<Problem>,
    request_id: Option<String>,
    action_id: Option<ActionId>,
    action: Option<MachineAction>,
    machines: Vec<Machine>,
    unknown: Option<Unknown>,
    row: Option<Value>,
    /// When the service answered, on its clock.
    date: Option<Timestamp>,
    attempts: u32,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What there is to know of an action of which it is not known whether it was taken.
#[derive(Clone)]
struct Unknown {
    /// `None` of an action that is known by its id only.
    intent: Option<Intent>,
    candidates: Vec<MachineAction>,
    reason: UnknownReason,
    /// Why the list could not be read, in words: the source is what lost the response.
    trouble: Option<String>,
}
impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether it is certain that the service has not processed the request.
    #[must_use]
    pub fn never_sent(&self) -> bool {
        self.0.never_sent
    }

    /// Whether the same call may be made again, later, without the risk of doing it twice, and may then go well.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Whether an action may have been taken, or has been, and it is not known which: the one case in which asking again may do it
    /// twice.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self.0.kind, ErrorKind::OutcomeUnknown) || self.0.unknown.is_some()
    }

    /// Whether there is no such machine or action.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// The HTTP status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.problem().map(Problem::status)
    }

    /// What the service said, with the raw body of its answer.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.0.problem.as_ref()
    }

    /// The service's word for what went wrong, if it said one.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.problem().map(Problem::code).filter(|code| !code.as_str().is_empty())
    }

    /// The opaque id that Microsoft's support asks for, if the service gave one.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.problem().and_then(Problem::target)
    }

    /// The service's correlation id of the answer, if it gave one (`mise-correlation-id`).
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How many times it was sent, or tried to be; 0 where it did not come to that.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// When to call again at the earliest: as the service asks, or as the queue for its quota can tell.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Intent of a submission whose outcome is not known.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        self.0.unknown.as_ref().and_then(|unknown| unknown.intent.as_ref())
    }

    /// Actions that may be the submission's, 64 at most, where its outcome is not known.
    #[must_use]
    pub fn candidates(&self) -> &[MachineAction] {
        self.0.unknown.as_ref().map(|unknown| unknown.candidates.as_slice()).unwrap_or_default()
    }

    /// The machines that this is about: those among which to choose, or the one that is not fit.
    #[must_use]
    pub fn machines(&self) -> &[Machine] {
        &self.0.machines
    }

    /// Why the outcome of a submission could not be found out.
    #[must_use]
    pub fn reason(&self) -> Option<UnknownReason> {
        self.0.unknown.as_ref().map(|unknown| unknown.reason)
    }

    /// The action that this is about, as last seen.
    #[must_use]
    pub fn action(&self) -> Option<&MachineAction> {
        self.0.action.as_ref()
    }

    /// The id of the action that this is about, also where its record has not been seen.
    #[must_use]
    pub fn action_id(&self) -> Option<&ActionId> {
        self.0.action.as_ref().map(|action| &action.id).or(self.0.action_id.as_ref())
    }

    /// The commands of the live response session that this is about, each with how far it came: a session that ended as
    /// `Cancelled` may have completed them.
    #[must_use]
    pub fn commands(&self) -> &[CommandRecord] {
        self.action().and_then(|action| action.commands.as_deref()).unwrap_or_default()
    }

    /// The cause that the error's line tells, to look at it as what it is: of a [`Credential`](ErrorKind::Credential) error it is
    /// the credential's own, as a rule a [`defender_auth::Error`].
    ///
    /// ```
    /// # fn example(error: &defender_actions::Error) -> Option<u32> {
    /// let credential = error.cause()?.downcast_ref::<defender_actions::auth::Error>()?;
    /// credential.entra()?.aadsts() // such as 7000215, a wrong secret
    /// # }
    /// ```
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|cause| cause as _)
    }

    /// The row of a list that cannot be read, as it came.
    #[must_use]
    pub fn row(&self) -> Option<&Value> {
        self.0.row.as_ref()
    }
}

impl StdError for Error {
    /// What the error's line does not tell: what is beneath the [cause](Self::cause), as a rule.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let cause = self.cause()?;
        if self.tells_cause() { cause.source() } else { Some(cause) }
    }
}
