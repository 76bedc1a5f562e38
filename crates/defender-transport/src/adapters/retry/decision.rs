//! Decision on another attempt, by the outcome of the last.

use http::{Response, StatusCode};

use crate::{Body, Error, ErrorKind, extensions::Idempotency};

/// Next step after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Ends the call with this outcome.
    Stop,
    /// Retries: the server certainly did not process the request, so a second one is safe even if it is not idempotent.
    RetryNotProcessed,
    /// Retries: the server may have processed the request, and the request is idempotent.
    RetryIdempotent,
    /// Retries with another token: the server refused this one.
    Reauthenticate,
}

impl Decision {
    pub(super) fn on(outcome: &Result<Response<Body>, Error>, idempotency: Idempotency) -> Self {
        match outcome {
            Ok(response) => Self::on_status(response.status(), idempotency),
            Err(error) => Self::on_error(error, idempotency),
        }
    }

    fn on_status(status: StatusCode, idempotency: Idempotency) -> Self {
        match (status.as_u16(), idempotency) {
            (401, _) => Self::Reauthenticate,
            (425 | 429, _) => Self::RetryNotProcessed,
            (408 | 500..=599, Idempotency::Idempotent) => Self::RetryIdempotent,
            _ => Self::Stop,
        }
    }

    fn on_error(error: &Error, idempotency: Idempotency) -> Self {
        // The status shows a refusal, even if the rest of the response was lost. A status that an intermediary wrote shows
        // nothing about the server.
        let status = error.response_status().filter(|_| error.kind() != ErrorKind::ForeignResponse);
        let refused = status.is_some_and(|status| Self::on_status(status, idempotency) == Self::RetryNotProcessed);
        match idempotency {
            _ if refused => Self::RetryNotProcessed,
            _ if error.is_permanent() => Self::Stop,
            _ if error.never_sent() => Self::RetryNotProcessed,
            Idempotency::Idempotent => Self::RetryIdempotent,
            Idempotency::NonIdempotent => Self::Stop,
        }
    }
}
