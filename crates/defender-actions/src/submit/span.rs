//! Spans and events of `tracing`, if the feature is enabled.
//!
//! The span `defender.action` covers one submission, from the queue to its outcome. Spans and events have no comment, body, token or
//! message of an error.

#[cfg(not(feature = "tracing"))]
pub(crate) use self::silent::*;
#[cfg(feature = "tracing")]
pub(crate) use self::traced::*;

#[cfg(feature = "tracing")]
mod traced {
    use tracing::{Instrument, Span, field};

    use crate::{Error, Submitted};

    const TARGET: &str = "defender_actions::action";

    /// Span of one submission.
    #[derive(Clone, Debug)]
    pub(crate) struct ActionSpan(Span);

    impl ActionSpan {
        pub(crate) fn of(action_type: &str, machine: &str) -> Self {
            Self(tracing::info_span!(
                target: TARGET,
                "defender.action",
                r#type = action_type,
                machine,
                action = field::Empty,
                origin = field::Empty,
                attempts = field::Empty,
                error.r#type = field::Empty,
            ))
        }

        /// Runs `future` inside the span.
        pub(crate) fn around<F: Future + Send>(&self, future: F) -> impl Future<Output = F::Output> + Send + use<F> {
            future.instrument(self.0.clone())
        }

        /// Records the start of a search, after a lost response or a refusal because of a pending action.
        pub(crate) fn searching(&self, error: &Error) {
            tracing::warn!(target: TARGET, parent: &self.0, why = ?error.kind(), "searching for the action");
        }

        /// Records the outcome and the number of attempts.
        pub(crate) fn ended(&self, outcome: &Result<Submitted, Error>, attempts: u32) {
            self.0.record("attempts", attempts);
            match outcome {
                Ok(submitted) => {
                    self.0.record("action", submitted.id().as_str());
                    self.0.record("origin", field::debug(submitted.origin()));
                }
                Err(error) => drop(self.0.record("error.type", field::debug(error.kind()))),
            }
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod silent {
    use crate::{Error, Submitted};

    /// Span of one submission that records nothing.
    #[derive(Clone, Debug)]
    pub(crate) struct ActionSpan;

    impl ActionSpan {
        pub(crate) fn of(_: &str, _: &str) -> Self {
            Self
        }

        #[expect(clippy::unused_self, reason = "the method with tracing uses self")]
        pub(crate) fn around<F: Future>(&self, future: F) -> F {
            future
        }

        #[expect(clippy::unused_self, reason = "the method with tracing uses self")]
        pub(crate) fn searching(&self, _: &Error) {}

        #[expect(clippy::unused_self, reason = "the method with tracing uses self")]
        pub(crate) fn ended(&self, _: &Result<Submitted, Error>, _: u32) {}
    }
}
