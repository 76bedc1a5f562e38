//! The layer that turns a response that the service did not write into an error.

use std::{error::Error as StdError, fmt, sync::Arc};

use bytes::Bytes;
use defender_model::{json_text, sanitize_line};
use defender_transport::{
    Body, Clock, Error, ErrorKind, SendFuture, Transport,
    extensions::{self, Idempotency, Read},
    retry_after,
};
use http::{Request, Response, StatusCode, response::Parts};
use jiff::Timestamp;

use crate::client::{
    call_note::CallNote,
    response_author::{Author, author, is_head_foreign},
    scrub::{Bearer, cleaned_of_transport, secrets},
    service_clock::Moment,
};

/// Layer that reads the body of each response, as [`Buffered`](defender_transport::Buffered) does, and turns a response that the
/// service did not write into [`ErrorKind::ForeignResponse`]. It removes the token from the errors of an attempt.
///
/// The layer reads the body itself, since the author of a response whose body breaks off is known by its head alone.
#[derive(Debug)]
pub(crate) struct RejectForeignResponses<T> {
    inner: T,
    clock: Arc<dyn Clock>,
}

impl<T> RejectForeignResponses<T> {
    pub(crate) fn new(inner: T, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for RejectForeignResponses<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let read = extensions::of(&request).copied().unwrap_or_default();
        let Read::Whole(limit) = read else { return self.inner.send(request) };
        let (idempotency, note) = (Idempotency::of(&request), CallNote::of(&request));
        let bearer = Bearer::of(&request);
        let exchange = self.inner.send(request);
        Box::pin(async move {
            let outcome = exchange.await;
            if let (Some(note), Ok(_)) = (&note, &outcome) {
                note.send_times.answered(Moment::now(&*self.clock));
            }
            let outcome = match outcome {
                Ok(response) => classified(response, limit, idempotency, note.as_deref(), bearer.as_ref()).await,
                Err(error) => Err(error),
            };
            let outcome = outcome.map_err(|error| cleaned_of_transport(&secrets(bearer.as_ref()), error));
            if let Some(note) = note {
                note.record(&outcome);
                note.set_bearer(bearer);
            }
            outcome
        })
    }
}

async fn classified(
    response: Response<Body>,
    limit: usize,
    idempotency: Idempotency,
    note: Option<&CallNote>,
    bearer: Option<&Bearer>,
) -> Result<Response<Body>, Error> {
    let (head, body) = response.into_parts();
    let foreign = |head: &Parts, body| Err(ForeignResponse::new(head, body, bearer).into_error(head));
    match body.collect(limit).await {
        Ok(body) => {
            let content = note.map(|note| note.content).unwrap_or_default();
            let author = author(head.status, &head.headers, &body, idempotency, content);
            if let Some(note) = note {
                note.set_author(author);
            }
            if author == Author::Other {
                foreign(&head, body)
            } else {
                Ok(Response::from_parts(head, Body::from(body)))
            }
        }
        Err(_) if is_head_foreign(head.status, &head.headers) => foreign(&head, Bytes::new()),
        Err(error) => Err(with_retry_after(error.with_status(head.status), &head)),
    }
}

/// Adds the time of `Retry-After`. There is no clock here, so a date counts only relative to the response's own `Date`.
fn with_retry_after(error: Error, head: &Parts) -> Error {
    match retry_after(&head.headers, Timestamp::MAX).filter(|wait| !wait.is_zero()) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// Response that another server wrote in the service's place.
pub(crate) struct ForeignResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// Sanitized beginning of the body.
    beginning: String,
}

/// Longest part of a body that is shown, in characters.
const SHOWN: usize = 120;

impl ForeignResponse {
    fn new(head: &Parts, body: Bytes, bearer: Option<&Bearer>) -> Self {
        // Some pages repeat the request, with its token.
        let body = secrets(bearer).redact_bytes(&body).map_or(body, Bytes::from);
        let beginning = sanitize_line(&String::from_utf8_lossy(&json_text(&body)), SHOWN);
        Self { status: head.status, body, beginning }
    }

    fn into_error(self, head: &Parts) -> Error {
        let error = Error::new(ErrorKind::ForeignResponse);
        // A second attempt would get the same 407, and directories lock accounts after failed attempts.
        let is_permanent = self.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        let error = if is_permanent { error.permanent() } else { error };
        with_retry_after(error.context(self.to_string()).caused_by(self), head)
    }
}

impl fmt::Display for ForeignResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status.as_u16())?;
        match self.beginning.as_str() {
            "" => f.write_str(" without a body"),
            beginning => write!(f, ", `{beginning}`"),
        }
    }
}

impl fmt::Debug for ForeignResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for ForeignResponse {}
