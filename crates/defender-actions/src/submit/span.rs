//! What is told to `tracing`, where it is compiled in.
//!
//! The span `defender.action` is around one asking for an action, from the queue to what became of it. No comment, body, token
//! or message of an error is told.

#[cfg(not(feature = "tracing"))]
pub(crate) use self::silent::*;
#[cfg(feature = "tracing")]
pub(crate) use self::traced::*;

#[cfg(feature = "tracing")]
mod traced {
    use tracing::{Instrument, Span, field};

    use crate::{DeprecationNotice, Error, Submitted};

    const TARGET: &str = "defender_actions::action";

    /// The span of one asking for an action.
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

        /// The answer was lost, or says that one is pending: the action is looked for.
        pub(crate) fn looking(&self, error: &Error) {
            tracing::warn!(target: TARGET, parent: &self.0, why = ?error.kind(), "looking for the action");
        }

        /// What became of it, after so many sendings.
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

    pub(crate) fn announced(announcement: &DeprecationNotice) {
        let DeprecationNotice { operation, gone, deprecation, sunset, .. } = announcement;
        let (deprecation, sunset) = (deprecation.as_deref(), sunset.as_deref());
        tracing::warn!(
            target: "defender_actions::lifecycle",
            operation,
            gone,
            deprecation,
            sunset,
            "the service announces the end of an operation"
        );
    }
}

#[cfg(not(feature = "tracing"))]
mod silent {
    use crate::{DeprecationNotice, Error, Submitted};

    /// The span of one asking for an action, of which nobody is told.
    #[derive(Clone, Debug)]
    pub(crate) struct ActionSpan;

    impl ActionSpan {
        pub(crate) fn of(_: &str, _: &str) -> Self {
            Self
        }

        #[expect(clippy::unused_self, reason = "its twin has a span")]
        pub(crate) fn around<F: Future>(&self, future: F) -> F {
            future
        }

        #[expect(clippy::unused_self, reason = "its twin has a span")]
        pub(crate) fn looking(&self, _: &Error) {}

        #[expect(clippy::unused_self, reason = "its twin has a span")]
        pub(crate) fn ended(&self, _: &Result<Submitted, Error>, _: u32) {}
    }

    pub(crate) fn announced(_: &DeprecationNotice) {}
}
