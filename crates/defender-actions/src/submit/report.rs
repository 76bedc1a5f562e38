//! The report of a submission, a recovery or a cancellation, for logs and for the observer.

use std::{sync::Arc, time::Duration};

use defender_model::{ActionId, MachineAction, MachineId};

use crate::{
    DefenderClient, Error, Origin, UnknownReason,
    observe::{ActionEnded, ActionOutcome, ActionTask, End, OTHER},
    submit::{
        expected::Expected,
        span::{ActionSpan, Ended},
    },
};

/// Report of a task in progress. However the task ends, its end is reported once.
pub(crate) struct ActionReport {
    client: DefenderClient,
    task: ActionTask,
    /// Type for the observer, and not one that only this intent has.
    action_type: &'static str,
    subject: Subject,
    span: ActionSpan,
    /// Start of the task, if there is an observer.
    began: Option<Duration>,
    is_over: bool,
}

/// Subject of a task.
enum Subject {
    Submission(Arc<Expected>),
    Action(ActionId),
}

impl ActionReport {
    /// Begins the report of a submission.
    pub(crate) fn submission(client: &DefenderClient, action_type: &'static str, expected: Arc<Expected>) -> Self {
        Self::begin(client, ActionTask::Submit, action_type, Subject::Submission(expected))
    }

    /// Begins the report of a recovery.
    pub(crate) fn recovery(client: &DefenderClient, expected: Arc<Expected>) -> Self {
        let action_type = client.inner().known_type(expected.submission.action_type());
        Self::begin(client, ActionTask::Recover, action_type, Subject::Submission(expected))
    }

    /// Begins the report of a cancellation.
    pub(crate) fn cancellation(client: &DefenderClient, id: &ActionId) -> Self {
        Self::begin(client, ActionTask::Cancel, OTHER, Subject::Action(id.clone()))
    }

    fn begin(client: &DefenderClient, task: ActionTask, action_type: &'static str, subject: Subject) -> Self {
        let inner = client.inner();
        let began = inner.observer.as_ref().map(|_| inner.clock.elapsed());
        let span = match &subject {
            Subject::Submission(expected) => {
                let submission = &expected.submission;
                ActionSpan::of(task, Some(submission.action_type()), Some(submission.machine_id().as_str()))
            }
            Subject::Action(_) => ActionSpan::of(task, None, None),
        };
        Self { client: client.clone(), task, action_type, subject, span, began, is_over: false }
    }

    /// Returns the span of the task.
    pub(crate) fn span(&self) -> &ActionSpan {
        &self.span
    }

    /// Reports the end of a submission or a recovery.
    pub(crate) fn ended(mut self, outcome: Result<(&ActionId, Origin), &Error>, attempts: u32) {
        let facts = match outcome {
            Ok((id, origin)) => Facts { action: Some(id.as_str()), origin: Some(origin), ..Facts::of(origin.into()) },
            Err(error) => self.failure(error),
        };
        self.report(&Facts { attempts, ..facts });
    }

    /// Reports the end of a cancellation.
    pub(crate) fn cancelled(mut self, outcome: Result<&MachineAction, &Error>, attempts: u32) {
        let record = outcome.map_or_else(Error::action, Some);
        if let Some(record) = record {
            self.action_type = self.client.inner().known_type(record.action_type.as_str());
        }
        let facts = match outcome {
            Ok(_) => Facts::of(ActionOutcome::Cancelled),
            Err(error) => self.failure(error),
        };
        let machine = record.and_then(|record| record.machine_id.as_ref()).map(MachineId::as_str);
        self.report(&Facts { machine, attempts, ..facts });
    }

    fn failure<'e>(&self, error: &'e Error) -> Facts<'e> {
        // A recovery never shows that nothing happened.
        let is_unknown = error.is_outcome_unknown() || self.task == ActionTask::Recover;
        Facts {
            end: End::Failed(error.kind()),
            action: error.action_id().map(ActionId::as_str),
            reason: error.reason(),
            ..Facts::of(if is_unknown { ActionOutcome::Unknown } else { ActionOutcome::NotAccepted })
        }
    }

    fn report(&mut self, facts: &Facts<'_>) {
        // Before the observer is called, which may panic.
        self.is_over = true;
        let Facts { outcome, end, origin, reason, attempts, .. } = *facts;
        let (task, action_type) = (self.task, self.action_type);
        let (named_type, machine, action) = match &self.subject {
            Subject::Submission(expected) => {
                let submission = &expected.submission;
                (submission.action_type(), Some(submission.machine_id().as_str()), facts.action)
            }
            Subject::Action(id) => (action_type, facts.machine, Some(id.as_str())),
        };
        self.span.ended(&Ended {
            task,
            action_type: named_type,
            machine,
            action,
            origin,
            outcome,
            end,
            reason,
            attempts,
        });
        let inner = self.client.inner();
        if let (Some(observer), Some(began)) = (&inner.observer, self.began) {
            let duration = inner.clock.elapsed().saturating_sub(began);
            observer.action_ended(&ActionEnded { task, action_type, outcome, end, attempts, duration });
        }
    }
}

/// Facts of the end.
struct Facts<'a> {
    outcome: ActionOutcome,
    end: End,
    machine: Option<&'a str>,
    action: Option<&'a str>,
    origin: Option<Origin>,
    reason: Option<UnknownReason>,
    attempts: u32,
}

impl Facts<'_> {
    fn of(outcome: ActionOutcome) -> Self {
        Self { outcome, end: End::Succeeded, machine: None, action: None, origin: None, reason: None, attempts: 0 }
    }
}

impl From<Origin> for ActionOutcome {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Created => Self::Created,
            Origin::Joined => Self::Joined,
            Origin::Recovered => Self::Recovered,
        }
    }
}

impl Drop for ActionReport {
    fn drop(&mut self) {
        if !self.is_over {
            self.report(&Facts { end: End::Dropped, ..Facts::of(ActionOutcome::Unknown) });
        }
    }
}
