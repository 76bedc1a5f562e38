//! The error of the facade: its kinds, its text and its advice.

mod advice;
mod build;
mod display;
mod kind;
#[cfg(test)]
mod tests;
mod word;

use std::{error::Error as StdError, sync::Arc, time::Duration};

use defender_model::{ActionId, Code, CommandRecord, Machine, MachineAction, Problem};
use jiff::Timestamp;
use serde_json::Value;

pub use self::kind::{ErrorKind, UnknownReason};
pub(crate) use self::word::word;
use crate::{Intent, permissions::Needs};

/// Error of a call.
///
/// [`kind`](Self::kind) shows if the request was sent and what to do. [`problem`](Self::problem) has the service's own error, and
/// [`action`](Self::action) the record of the action, if it is known.
///
/// `{}` is one line for the operator: what failed, on what, why, and what to do. `{:#}` adds all causes to that line. The line
/// includes the [cause](Self::cause), so [`source`](StdError::source) returns the cause of the cause. A report that prints each
/// source of the chain repeats nothing.
///
/// Text from outside is sanitized in these lines: bounded, without control characters, without the token.
///
/// ```no_run
/// use defender_actions::{DefenderClient, ErrorKind};
///
/// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
/// match defender.machine("1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse()?).isolate("Ransomware").await {
///     Ok(submitted) => println!("{}", submitted.id()),
///     // A second call may perform the action twice.
///     Err(error) if error.is_outcome_unknown() => {
///         let intent = error.intent().cloned(); // store it, and `recover` it later
///         eprintln!("{error}, candidates: {}", error.candidates().len());
///     }
///     Err(error) if error.is_retryable() => eprintln!("again after {:?}: {error}", error.retry_after()),
///     Err(error) => match error.kind() {
///         ErrorKind::AlreadyInProgress | ErrorKind::Conflict => eprintln!("in progress: {:?}", error.action_id()),
///         ErrorKind::NotFound => eprintln!("no such machine"),
///         _ => eprintln!("{error}"), // what failed, on what, why, and what to do
///     },
/// }
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    context: String,
    /// Message in place of the kind's message and the problem.
    message: Option<String>,
    /// Advice in place of the advice of kind and code.
    advice: Option<String>,
    /// Permissions that the operation requires.
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
    /// Time of the response, on the service's clock.
    date: Option<Timestamp>,
    attempts: u32,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Details of a submission whose outcome is unknown.
#[derive(Clone)]
struct Unknown {
    /// `None` if the action is known by its id only.
    intent: Option<Intent>,
    candidates: Vec<MachineAction>,
    reason: UnknownReason,
    /// Text of the error of the list. The source is the error that lost the response.
    list_error: Option<String>,
}

impl Error {
    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns true if the service has certainly not processed the request.
    #[must_use]
    pub fn never_sent(&self) -> bool {
        self.0.never_sent
    }

    /// Returns true if the same call may succeed later and cannot take effect twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Returns true if the service has accepted or may have accepted an action, and it is not known which one. A second call may do the
    /// action twice in this case, and after a [`Journal`](ErrorKind::Journal) error for which [`never_sent`](Self::never_sent) is false.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self.0.kind, ErrorKind::OutcomeUnknown) || self.0.unknown.is_some()
    }

    /// Returns true if there is no such machine or action.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// Returns the HTTP status, if there was a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.problem().map(Problem::status)
    }

    /// Returns the service's own error, with the raw body of its response.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.0.problem.as_ref()
    }

    /// Returns the service's error code, if it sent one.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.problem().map(Problem::code).filter(|code| !code.as_str().is_empty())
    }

    /// Returns the opaque id that Microsoft's support asks for, if the service sent one.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.problem().and_then(Problem::target)
    }

    /// Returns the service's correlation id of the response (`mise-correlation-id`), if it sent one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns the number of attempts, the failed ones included; 0 if there was none.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns the time to wait before the next call, from the service or from the queue for its quota.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the intent of a submission whose outcome is not known.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        self.0.unknown.as_ref().and_then(|unknown| unknown.intent.as_ref())
    }

    /// Returns the actions that may be the submission's, 64 at most, if its outcome is not known.
    #[must_use]
    pub fn candidates(&self) -> &[MachineAction] {
        self.0.unknown.as_ref().map(|unknown| unknown.candidates.as_slice()).unwrap_or_default()
    }

    /// Returns the machines of the error: those to choose from, or the one that is not suitable.
    #[must_use]
    pub fn machines(&self) -> &[Machine] {
        &self.0.machines
    }

    /// Returns the reason why the outcome of a submission is unknown.
    #[must_use]
    pub fn reason(&self) -> Option<UnknownReason> {
        self.0.unknown.as_ref().map(|unknown| unknown.reason)
    }

    /// Returns the last known record of the action.
    #[must_use]
    pub fn action(&self) -> Option<&MachineAction> {
        self.0.action.as_ref()
    }

    /// Returns the id of the action, even if its record is not known.
    #[must_use]
    pub fn action_id(&self) -> Option<&ActionId> {
        self.0.action.as_ref().map(|action| &action.id).or(self.0.action_id.as_ref())
    }

    /// Returns the commands of the live response session, each with its status. A session that ended as `Cancelled` may have completed
    /// some of them.
    #[must_use]
    pub fn commands(&self) -> &[CommandRecord] {
        self.action().and_then(|action| action.commands.as_deref()).unwrap_or_default()
    }

    /// Returns the cause that the error's line includes. The cause of a [`Credential`](ErrorKind::Credential) error is the credential's
    /// own error, as a rule a [`defender_auth::Error`].
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

    /// Returns the advice of the error's line.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        self.to_do().map(Into::into)
    }

    /// Returns the row of a list that cannot be read, as received.
    #[must_use]
    pub fn row(&self) -> Option<&Value> {
        self.0.row.as_ref()
    }
}

impl StdError for Error {
    /// Returns the first cause that the error's line does not include, as a rule the source of the [cause](Self::cause).
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let cause = self.cause()?;
        if self.includes_cause() { cause.source() } else { Some(cause) }
    }
}
