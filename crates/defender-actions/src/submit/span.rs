//! Spans and events of `tracing`, if the feature is enabled. `docs/observability.md` has their table.
//!
//! The span `defender.action` covers one submission, recovery or cancellation, from the queue to its outcome. Spans and events have no
//! comment, body, token or message of an error.

use crate::{
    Origin, UnknownReason,
    observe::{ActionOutcome, ActionTask, End},
};

#[cfg(not(feature = "tracing"))]
pub(crate) use self::silent::*;
#[cfg(feature = "tracing")]
pub(crate) use self::traced::*;

/// Facts of a task that has ended.
#[derive(Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) task: ActionTask,
    pub(crate) action_type: &'a str,
    pub(crate) machine: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
    pub(crate) origin: Option<Origin>,
    pub(crate) outcome: ActionOutcome,
    pub(crate) end: End,
    pub(crate) reason: Option<UnknownReason>,
    pub(crate) attempts: u32,
}

#[cfg(feature = "tracing")]
mod traced {
    use tracing::{Instrument, Level, Span, field};

    use super::{ActionOutcome, ActionTask, End, Ended};
    use crate::{Error, ErrorKind};

    const TARGET: &str = "defender_actions::action";

    /// Span of one task.
    #[derive(Clone, Debug)]
    pub(crate) struct ActionSpan(Span);

    impl ActionSpan {
        pub(crate) fn of(task: ActionTask, action_type: Option<&str>, machine: Option<&str>) -> Self {
            Self(tracing::info_span!(
                target: TARGET,
                "defender.action",
                task = task.as_str(),
                r#type = action_type,
                machine,
                action = field::Empty,
                origin = field::Empty,
                attempts = field::Empty,
                error.type = field::Empty,
            ))
        }

        /// Runs `future` inside the span.
        pub(crate) fn around<F: Future + Send>(&self, future: F) -> impl Future<Output = F::Output> + Send + use<F> {
            future.instrument(self.0.clone())
        }

        /// Reports the start of a search, after a lost response or a refusal because of a pending action.
        pub(crate) fn searching(&self, error: &Error) {
            let kind = field::debug(error.kind());
            macro_rules! event {
                ($level:expr, $message:literal) => {
                    tracing::event!(target: TARGET, parent: &self.0, $level, error.type = kind, $message)
                };
            }
            if error.kind() == ErrorKind::AlreadyInProgress {
                event!(Level::DEBUG, "searching for the pending action");
            } else {
                event!(Level::WARN, "response lost, searching for the action");
            }
        }

        /// Reports the end of the task: one event.
        pub(crate) fn ended(&self, ended: &Ended<'_>) {
            let Ended { task, action_type, machine, action, outcome, end, attempts, .. } = *ended;
            let (origin, reason) = (ended.origin.map(field::debug), ended.reason.map(field::debug));
            let error_type = end.error_type();
            let error_type = error_type.as_deref();
            if task == ActionTask::Cancel {
                // Known only from the record.
                self.0.record("type", action_type);
                self.0.record("machine", machine);
            }
            self.0.record("attempts", attempts);
            self.0.record("action", action);
            self.0.record("origin", origin.as_ref());
            self.0.record("error.type", error_type);
            macro_rules! event {
                ($level:expr, $message:expr) => {
                    tracing::event!(
                        target: TARGET,
                        parent: &self.0,
                        $level,
                        task = task.as_str(),
                        r#type = action_type,
                        machine,
                        action,
                        origin,
                        attempts,
                        error.type = error_type,
                        reason,
                        "{}",
                        $message
                    )
                };
            }
            let is_cancel = task == ActionTask::Cancel;
            match (end, outcome) {
                (End::Dropped, _) if is_cancel => event!(Level::WARN, "cancellation dropped"),
                (End::Dropped, _) => event!(Level::WARN, "action dropped"),
                (_, ActionOutcome::Unknown) if is_cancel => event!(Level::WARN, "cancellation outcome unknown"),
                (_, ActionOutcome::Unknown) => event!(Level::WARN, "action outcome unknown"),
                (_, ActionOutcome::NotAccepted) if is_cancel => event!(Level::WARN, "action not cancelled"),
                (_, ActionOutcome::NotAccepted) => event!(Level::WARN, "action not accepted"),
                (_, ActionOutcome::Cancelled) => event!(Level::INFO, "action cancelled"),
                (_, _) => event!(Level::INFO, "action accepted"),
            }
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod silent {
    use super::{ActionTask, Ended};
    use crate::Error;

    /// Span of one task that records nothing.
    #[derive(Clone, Debug)]
    pub(crate) struct ActionSpan;

    impl ActionSpan {
        pub(crate) fn of(_: ActionTask, _: Option<&str>, _: Option<&str>) -> Self {
            Self
        }

        #[expect(clippy::unused_self, reason = "the method with tracing uses self")]
        pub(crate) fn around<F: Future>(&self, future: F) -> F {
            future
        }

        #[expect(clippy::unused_self, reason = "the method with tracing uses self")]
        pub(crate) fn searching(&self, _: &Error) {}

        #[expect(clippy::unused_self, reason = "the method with tracing uses self")]
        pub(crate) fn ended(&self, ended: &Ended<'_>) {
            let Ended { task, action_type, machine, action, origin, outcome, end, reason, attempts } = *ended;
            let _ = (task, action_type, machine, action, origin, outcome, end, reason, attempts);
        }
    }
}
