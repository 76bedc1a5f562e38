//! Constructors and setters of errors.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use defender_model::{ActionId, Machine, MachineAction, Problem};
use jiff::Timestamp;
use serde_json::Value;

use super::{Error, ErrorKind, Inner, Unknown, UnknownReason, display};
use crate::{Intent, permissions::Needs};

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        let never_sent = matches!(
            kind,
            ErrorKind::Configuration
                | ErrorKind::IntentExpired
                | ErrorKind::Request
                | ErrorKind::Credential
                | ErrorKind::ConnectFailed
                | ErrorKind::QuotaStore
                | ErrorKind::UnsuitableMachine
                | ErrorKind::NoResult
        );
        let retryable = matches!(
            kind,
            ErrorKind::ConnectFailed
                | ErrorKind::QuotaStore
                | ErrorKind::Interrupted
                | ErrorKind::NotReady
                | ErrorKind::Throttled
                | ErrorKind::Unavailable
        );
        Self(Box::new(Inner {
            kind,
            context: String::new(),
            message: None,
            advice: None,
            needs: None,
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

    /// Sets the context: the call, or the thing that the error is about.
    pub(crate) fn context(mut self, context: impl Into<String>) -> Self {
        self.0.context = context.into();
        self
    }

    /// Names the variable of the environment whose value the error is about.
    pub(crate) fn in_variable(mut self, name: &str) -> Self {
        self.0.context = format!("{name}: {}", self.0.context);
        self
    }

    /// Replaces the kind's message and the problem in the line.
    pub(crate) fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// Replaces the advice of kind and code.
    pub(crate) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Adds the permissions that the operation requires.
    pub(crate) fn with_permissions(mut self, needs: Option<Needs>) -> Self {
        self.0.needs = needs;
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    pub(crate) fn with_problem(mut self, problem: Problem) -> Self {
        self.0.problem = Some(problem);
        self
    }

    pub(crate) fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.0.request_id = request_id;
        self
    }

    /// Adds the id of the action, whose record may not be known.
    pub(crate) fn with_action_id(mut self, id: &ActionId) -> Self {
        self.0.action_id = Some(id.clone());
        self
    }

    /// Adds a row of a page that cannot be read, as received.
    pub(crate) fn with_row(mut self, row: Value) -> Self {
        self.0.row = Some(row);
        self
    }

    pub(crate) fn with_action(mut self, action: Option<MachineAction>) -> Self {
        self.0.action = action;
        self
    }

    /// Adds the machines of the error.
    pub(crate) fn with_machines(mut self, machines: Vec<Machine>) -> Self {
        self.0.machines = machines;
        self
    }

    /// Adds the intent of a lost response, the candidates, and the reason why the outcome is unknown.
    pub(crate) fn unknown(self, intent: Intent, candidates: Vec<MachineAction>, reason: UnknownReason) -> Self {
        self.unknown_of(Some(intent), candidates, reason)
    }

    pub(crate) fn unknown_of(
        mut self,
        intent: Option<Intent>,
        candidates: Vec<MachineAction>,
        reason: UnknownReason,
    ) -> Self {
        self.0.unknown = Some(Unknown { intent, candidates, reason, list_error: None });
        self
    }

    /// Adds the error of the list of actions.
    pub(crate) fn with_list_error(mut self, error: &Error) -> Self {
        if let Some(unknown) = &mut self.0.unknown {
            unknown.list_error = Some(error.line(display::Form::WithoutAdvice));
        }
        self
    }

    /// Adds a cause, if the error has none.
    pub(crate) fn with_cause_if_none(mut self, cause: Error) -> Self {
        self.0.source.get_or_insert_with(|| Arc::new(cause));
        self
    }

    /// Returns the same error once more.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Returns the same error for another call that it affects. The cause is replaced by its text.
    pub(crate) fn clone_without_source(&self) -> Self {
        let inner = &*self.0;
        Self(Box::new(Inner {
            kind: inner.kind,
            context: inner.context.clone(),
            message: inner.message.clone(),
            advice: inner.advice.clone(),
            needs: inner.needs,
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
            source: inner.source.as_deref().map(|cause| Arc::from(Box::from(display::cause_text(cause)))),
        }))
    }

    pub(crate) fn not_sent(mut self) -> Self {
        self.0.never_sent = true;
        self
    }

    /// Sets that a request of the call was sent.
    pub(crate) fn sent(mut self) -> Self {
        self.0.never_sent = false;
        self
    }

    /// Adds the number of attempts, and the time to wait before the next call.
    pub(crate) fn with_attempts(mut self, attempts: u32, retry_after: Option<Duration>) -> Self {
        self.0.attempts = attempts;
        self.0.retry_after = retry_after;
        self
    }

    #[cfg(feature = "testing")]
    pub(crate) fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.0.retry_after = Some(retry_after);
        self
    }

    /// Sets the number of attempts of all requests together.
    pub(crate) fn with_total_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_date(mut self, date: Option<Timestamp>) -> Self {
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
}
