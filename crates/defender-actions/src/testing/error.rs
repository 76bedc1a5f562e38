//! Errors for tests of the code that handles them.

use std::{error::Error as StdError, time::Duration};

use defender_model::{Machine, MachineAction, Problem};

use crate::{Error, ErrorKind, Intent, UnknownReason};

/// Returns the builder of an error of this kind, for code that gets it from a mock of your own. Without further settings it is like an
/// error of the client of that kind in [`never_sent`](Error::never_sent), [`is_retryable`](Error::is_retryable) and its advice.
///
/// ```
/// use std::time::Duration;
///
/// use defender_actions::{Error, ErrorKind, testing};
///
/// let error: Error = testing::error(ErrorKind::Throttled).retry_after(Duration::from_secs(5)).build();
/// assert!(error.is_retryable());
///
/// let error = testing::error(ErrorKind::Forbidden).problem(403, "DisallowedOperation").build();
/// assert!(error.to_string().contains("remediation level"));
/// ```
pub fn error(kind: ErrorKind) -> ErrorBuilder {
    ErrorBuilder(Error::new(kind).context("a test"))
}

/// Builder of an [`Error`].
#[derive(Debug)]
#[must_use = "an error exists only after `build`"]
pub struct ErrorBuilder(Error);

impl ErrorBuilder {
    /// Sets what failed. Default: `a test`.
    pub fn context(self, context: impl Into<String>) -> Self {
        Self(self.0.context(context))
    }

    /// Sets the service's own error, with this status and code, and with it [`Error::status`].
    pub fn problem(self, status: u16, code: &str) -> Self {
        let body = super::problem(status, code).into_body();
        Self(self.0.with_problem(Problem::parse(status, &body)))
    }

    /// Sets the record of the action.
    pub fn action(self, action: MachineAction) -> Self {
        Self(self.0.with_action(Some(action)))
    }

    /// Sets the machines to choose from, or the one that is not suitable.
    pub fn machines(self, machines: impl IntoIterator<Item = Machine>) -> Self {
        Self(self.0.with_machines(machines.into_iter().collect()))
    }

    /// Sets the reason of an unknown outcome, the intent, and the actions that may be the submission's.
    pub fn unknown(
        self,
        reason: UnknownReason,
        intent: impl Into<Option<Intent>>,
        candidates: impl IntoIterator<Item = MachineAction>,
    ) -> Self {
        Self(self.0.unknown_of(intent.into(), candidates.into_iter().collect(), reason))
    }

    /// Sets the time to wait before the next call.
    pub fn retry_after(self, retry_after: Duration) -> Self {
        Self(self.0.with_retry_after(retry_after))
    }

    /// Sets that the service has certainly not processed the request.
    pub fn never_sent(self) -> Self {
        Self(self.0.not_sent())
    }

    /// Sets the cause.
    pub fn caused_by(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(self.0.caused_by(cause))
    }

    /// Returns the error.
    #[must_use]
    pub fn build(self) -> Error {
        self.0
    }
}

impl From<ErrorBuilder> for Error {
    fn from(builder: ErrorBuilder) -> Self {
        builder.build()
    }
}
