//! What a store says when it does not give a file.

use defender_model::{Problem, sanitize_line};
use defender_transport::{
    Body, Error as Broken, ErrorKind as BrokenKind,
    extensions::{Attempts, Idempotency},
    retry_after,
};
use http::{Response, StatusCode, header};

use super::{CODE, Fetch, REFUSAL, validator::header_text};
use crate::{Error, ErrorKind, client::call::refusal};

impl Fetch {
    pub(super) fn unanswered(&self, error: Broken) -> Error {
        let (kind, attempts, again) = (no_answer_kind(&error), error.attempts(), error.retry_after());
        self.error(kind).caused_by(self.cleaned(error)).with_attempts(attempts, again)
    }

    /// What the store says when it does not give it.
    pub(super) async fn refused(&mut self, answer: Response<Body>) -> Error {
        let attempts = Attempts::of(&answer);
        let (head, body) = answer.into_parts();
        let again = retry_after(&head.headers, self.client.inner().clock.now());
        let body = body.collect(REFUSAL).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        // Where it leads on to may be a secret of its own.
        let text = if head.status.is_redirection() { String::new() } else { self.scrubbed(&text) };
        let problem = Problem::parse(head.status.as_u16(), text.as_bytes());
        let mut error = self.error(refusal(&problem, Idempotency::Idempotent)).with_attempts(attempts, again);
        error = match head.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => error.advice(
                "download it again, which gets another link; if it stays so, check this machine's clock and the proxy between",
            ),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                error.advice("the store does not have it any more: submit the action again to collect it anew")
            }
            _ => error,
        };
        if head.status.is_redirection() {
            error = error.caused_by("the link leads on to elsewhere, and that is not followed");
            error = error.advice("check what stands between this machine and the store");
        } else if let Some(code) = header_text(&head.headers, &header::HeaderName::from_static("x-ms-error-code")) {
            error = error.caused_by(format!("the store says {}", sanitize_line(&self.scrubbed(code), CODE)));
        }
        error.with_problem(problem)
    }
}

/// What it means that the store gave no answer.
fn no_answer_kind(error: &Broken) -> ErrorKind {
    match error.kind() {
        BrokenKind::Request => ErrorKind::Request,
        _ if error.never_sent() => ErrorKind::ConnectFailed,
        _ => ErrorKind::Interrupted,
    }
}
