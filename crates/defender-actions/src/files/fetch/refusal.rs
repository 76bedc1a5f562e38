//! Errors and refusals of the store.

use defender_model::{Problem, sanitize_line};
use defender_transport::{
    Body, Error as TransportError, ErrorKind as TransportErrorKind,
    extensions::{Attempts, Idempotency},
    retry_after,
};
use http::{Response, StatusCode, header};

use super::{Fetch, REFUSAL, coding::CODE, validator::header_text};
use crate::{Error, ErrorKind, client::call::refusal};

impl Fetch {
    /// Returns the error of a request without a response.
    pub(super) fn no_response(&self, error: TransportError) -> Error {
        let (kind, attempts, again) = (no_response_kind(&error), error.attempts(), error.retry_after());
        self.error(kind).caused_by(self.cleaned(error)).with_attempts(attempts, again)
    }

    /// Returns the error of a refusal.
    pub(super) async fn refused(&mut self, response: Response<Body>) -> Error {
        let attempts = Attempts::of(&response);
        let (head, body) = response.into_parts();
        let again = retry_after(&head.headers, self.client.inner().clock.now());
        let body = body.collect(REFUSAL).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        // The target of a redirect may be a secret of its own.
        let text = if head.status.is_redirection() { String::new() } else { self.scrubbed(&text) };
        let problem = Problem::parse(head.status.as_u16(), text.as_bytes());
        let mut error = self.error(refusal(&problem, Idempotency::Idempotent)).with_attempts(attempts, again);
        error = match head.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => error.with_advice(
                "download it again, which requests another link; if the error persists, check this machine's clock and the proxy in between",
            ),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                error.with_advice("the store no longer has the file: submit the action again to collect it anew")
            }
            _ => error,
        };
        if head.status.is_redirection() {
            error = error.caused_by("the store redirects, and redirects are not followed");
            error = error.with_advice("check the proxy or gateway between this machine and the store");
        } else if let Some(code) = header_text(&head.headers, &header::HeaderName::from_static("x-ms-error-code")) {
            error = error.caused_by(format!("the store's error code is {}", sanitize_line(&self.scrubbed(code), CODE)));
        }
        error.with_problem(problem)
    }
}

fn no_response_kind(error: &TransportError) -> ErrorKind {
    match error.kind() {
        TransportErrorKind::Request => ErrorKind::Request,
        _ if error.never_sent() => ErrorKind::ConnectFailed,
        _ => ErrorKind::Interrupted,
    }
}
