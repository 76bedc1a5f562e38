//! Why something was not done, or is not known to be.

mod kind;
#[cfg(test)]
mod tests;

use std::{error::Error as StdError, fmt, time::Duration};

use defender_model::{ActionId, Code, CommandRecord, Machine, MachineAction, Problem};
use jiff::Timestamp;
use serde_json::Value;

pub use self::kind::{ErrorKind, UnknownReason};
use crate::{Intent, find::Choice};

/// Why something was not done, or is not known to be done.
///
/// [`kind`](Self::kind) says what to do; what the service said is in [`problem`](Self::problem), and the action that it
/// is about, where one is known, in [`action`](Self::action). The message says what was being done and never repeats the
/// [source](StdError::source).
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    context: String,
    /// What is said in place of the kind's own words and the problem.
    message: Option<String>,
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
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What there is to know of an action of which it is not known whether it was taken.
#[derive(Debug)]
struct Unknown {
    /// `None` of an action that is known by its id only.
    intent: Option<Intent>,
    candidates: Vec<MachineAction>,
    reason: UnknownReason,
    /// Why the list could not be read, in words: the source is what lost the response.
    trouble: Option<String>,
}
impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        let never_sent = matches!(
            kind,
            ErrorKind::Configuration
                | ErrorKind::IntentExpired
                | ErrorKind::Request
                | ErrorKind::Credential
                | ErrorKind::NotReached
                | ErrorKind::Unsuitable
                | ErrorKind::NoResult
        );
        let retryable = matches!(
            kind,
            ErrorKind::NotReached
                | ErrorKind::Interrupted
                | ErrorKind::NotReady
                | ErrorKind::Throttled
                | ErrorKind::Unavailable
        );
        Self(Box::new(Inner {
            kind,
            context: String::new(),
            message: None,
            never_sent,
            retryable,
            problem: None,
            request_id: None,
            action_id: None,
            action: None,
            machines: Vec::new(),
            unknown: None,
            row: None,
            date: None,
            attempts: 0,
            retry_after: None,
            source: None,
        }))
    }

    /// What was being done, or with what.
    pub(crate) fn context(mut self, context: impl Into<String>) -> Self {
        self.0.context = context.into();
        self
    }

    /// Says this in place of the kind's own words and the problem.
    pub(crate) fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn problem_was(mut self, problem: Problem) -> Self {
        self.0.problem = Some(problem);
        self
    }

    pub(crate) fn request_id_was(mut self, request_id: Option<String>) -> Self {
        self.0.request_id = request_id;
        self
    }

    /// The action that was asked about, where its record may not have been seen.
    pub(crate) fn of(mut self, id: &ActionId) -> Self {
        self.0.action_id = Some(id.clone());
        self
    }

    /// Adds a row of a page that cannot be read, as it came.
    pub(crate) fn row_was(mut self, row: Value) -> Self {
        self.0.row = Some(row);
        self
    }

    pub(crate) fn about(mut self, action: Option<MachineAction>) -> Self {
        self.0.action = action;
        self
    }

    /// Adds the machines that it is about.
    pub(crate) fn of_machines(mut self, machines: Vec<Machine>) -> Self {
        self.0.machines = machines;
        self
    }

    /// Adds what was meant to a lost answer, and why it could not be found out.
    pub(crate) fn unknown(self, intent: Intent, candidates: Vec<MachineAction>, reason: UnknownReason) -> Self {
        self.unknown_of(Some(intent), candidates, reason)
    }

    pub(crate) fn unknown_of(
        mut self,
        intent: Option<Intent>,
        candidates: Vec<MachineAction>,
        reason: UnknownReason,
    ) -> Self {
        self.0.unknown = Some(Unknown { intent, candidates, reason, trouble: None });
        self
    }

    /// Adds why the list of actions could not be read.
    pub(crate) fn not_read(mut self, trouble: &Error) -> Self {
        if let Some(unknown) = &mut self.0.unknown {
            let cause = StdError::source(trouble).map_or_else(String::new, |source| format!(": {source}"));
            unknown.trouble = Some(format!("{trouble}{cause}"));
        }
        self
    }

    /// Adds what kept it from being found out, where there is no cause yet.
    pub(crate) fn because(mut self, trouble: Error) -> Self {
        self.0.source.get_or_insert_with(|| trouble.into());
        self
    }

    /// The same error for another that it concerns, without its source.
    pub(crate) fn alike(&self) -> Self {
        let inner = &*self.0;
        Self(Box::new(Inner {
            kind: inner.kind,
            context: inner.context.clone(),
            message: inner.message.clone(),
            never_sent: inner.never_sent,
            retryable: inner.retryable,
            problem: inner.problem.clone(),
            request_id: inner.request_id.clone(),
            action_id: None,
            action: None,
            machines: Vec::new(),
            unknown: None,
            row: None,
            date: inner.date,
            attempts: inner.attempts,
            retry_after: inner.retry_after,
            source: None,
        }))
    }

    pub(crate) fn certainly_never_sent(mut self) -> Self {
        self.0.never_sent = true;
        self
    }

    /// Says how many sendings it took, and when the service wants to be asked again.
    pub(crate) fn after(mut self, attempts: u32, retry_after: Option<Duration>) -> Self {
        self.0.attempts = attempts;
        self.0.retry_after = retry_after;
        self
    }

    /// Says how many attempts it took in all.
    pub(crate) fn attempted(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn dated(mut self, date: Option<Timestamp>) -> Self {
        self.0.date = date;
        self
    }

    pub(crate) fn date(&self) -> Option<Timestamp> {
        self.0.date
    }

    pub(crate) fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

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

    /// The row of a list that cannot be read, as it came.
    #[must_use]
    pub fn row(&self) -> Option<&Value> {
        self.0.row.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.message.as_deref().unwrap_or(self.0.kind.words());
        match (self.0.kind, self.0.context.as_str()) {
            (_, "") => f.write_str(words)?,
            (ErrorKind::Configuration, what) => write!(f, "{words}: {what}")?,
            (_, call) => write!(f, "{call}: {words}")?,
        }
        if let Some(problem) = self.0.problem.as_ref().filter(|_| self.0.message.is_none()) {
            write!(f, " (status {}): {problem}", problem.status())?;
        }
        if !self.0.machines.is_empty() && matches!(self.0.kind, ErrorKind::Ambiguous | ErrorKind::NotFound) {
            write!(f, "; there are {}", Choice(&self.0.machines))?;
        }
        if let (ErrorKind::Conflict, Some(action)) = (self.0.kind, &self.0.action) {
            write!(f, "; it is action {} ({}), which is {}", action.id, action.action_type, action.status)?;
        }
        if let Some(unknown) = &self.0.unknown {
            write!(f, "; {}", unknown.reason)?;
            if let Some(trouble) = &unknown.trouble {
                write!(f, " ({trouble})")?;
            }
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
