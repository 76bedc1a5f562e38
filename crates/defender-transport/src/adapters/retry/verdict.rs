//! Verdict on another attempt, by the outcome of the last.

use http::{Response, StatusCode};

use crate::{Body, Error, ErrorKind, extensions::Resend};

/// Next step after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the call's own outcome.
    Final,
    /// The server certainly did not process the request: again, whatever its effect.
    NotProcessed,
    /// The server may have processed the request, and doing it twice is safe.
    PerhapsProcessed,
    /// The token was refused: again, with another.
    Renew,
}

impl Verdict {
    pub(super) fn on(outcome: &Result<Response<Body>, Error>, resend: Resend) -> Self {
        match outcome {
            Ok(answer) => Self::on_status(answer.status(), resend),
            Err(error) => Self::on_error(error, resend),
        }
    }

    fn on_status(status: StatusCode, resend: Resend) -> Self {
        match (status.as_u16(), resend) {
            (401, _) => Self::Renew,
            (425 | 429, _) => Self::NotProcessed,
            (408 | 500..=599, Resend::Safe) => Self::PerhapsProcessed,
            _ => Self::Final,
        }
    }

    fn on_error(error: &Error, resend: Resend) -> Self {
        // The status says that the server refused it, though the rest of the response was lost. A status that an intermediary
        // wrote says nothing about the server.
        let status = error.answered().filter(|_| error.kind() != ErrorKind::ForeignResponse);
        let refused = status.is_some_and(|status| Self::on_status(status, resend) == Self::NotProcessed);
        match resend {
            _ if refused => Self::NotProcessed,
            _ if error.is_lasting() => Self::Final,
            _ if error.never_sent() => Self::NotProcessed,
            Resend::Safe => Self::PerhapsProcessed,
            Resend::Never => Self::Final,
        }
    }
}
