//! Making an error of what is known.

use std::{error::Error as StdError, time::Duration};

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
                | ErrorKind::UnsuitableMachine
                | ErrorKind::NoResult
        );
        let retryable = matches!(
            kind,
            ErrorKind::ConnectFailed
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

    /// Says this of what to do, in place of what kind and code have.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Says which permissions the operation takes.
    pub(crate) fn with_permissions(mut self, needs: Option<Needs>) -> Self {
        self.0.needs = needs;
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
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

    /// The action that was asked about, where its record may not have been seen.
    pub(crate) fn with_action_id(mut self, id: &ActionId) -> Self {
        self.0.action_id = Some(id.clone());
        self
    }

    /// Adds a row of a page that cannot be read, as it came.
    pub(crate) fn with_row(mut self, row: Value) -> Self {
        self.0.row = Some(row);
        self
    }

    pub(crate) fn with_action(mut self, action: Option<MachineAction>) -> Self {
        self.0.action = action;
        self
    }

    /// Adds the machines that it is about.
    pub(crate) fn with_machines(mut self, machines: Vec<Machine>) -> Self {
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
    pub(crate) fn with_list_error(mut self, trouble: &Error) -> Self {
        if let Some(unknown) = &mut self.0.unknown {
            unknown.trouble = Some(trouble.line(display::Form::WithoutAdvice));
        }
        self
    }

    /// Adds what kept it from being found out, where there is no cause yet.
    pub(crate) fn with_cause_if_none(mut self, trouble: Error) -> Self {
        self.0.source.get_or_insert_with(|| trouble.into());
        self
    }

    /// The same error for another that it concerns, with the text of its cause in the cause's place.
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
            source: inner.source.as_ref().map(|cause| display::told(&**cause).into()),
        }))
    }

    pub(crate) fn not_sent(mut self) -> Self {
        self.0.never_sent = true;
        self
    }

    /// Says how many sendings it took, and when the service wants to be asked again.
    pub(crate) fn with_attempts(mut self, attempts: u32, retry_after: Option<Duration>) -> Self {
        self.0.attempts = attempts;
        self.0.retry_after = retry_after;
        self
    }

    /// Says how many attempts it took in all.
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
