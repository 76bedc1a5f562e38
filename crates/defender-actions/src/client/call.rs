//! One call: its request, and the meaning of its response.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use bytes::Bytes;
use defender_model::{Limit, Problem, read_json, sanitize_line};
use defender_transport::{
    ErrorKind as TransportErrorKind,
    extensions::{Attempts, Idempotency, Shared, Timeouts},
    retry_after,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, ErrorKind,
    client::{
        Inner,
        call_note::CallNote,
        foreign_response::ForeignResponse,
        operation::Operation,
        scrub::{Bearer, cleaned, secrets},
    },
    journal::write_intent::PendingIntent,
    observe::{End, call::CallReport},
};

/// Call of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// Path below the prefix, with its ids.
    pub(crate) path: String,
    /// Time limit of the call, if the caller sets one.
    pub(crate) timeout: Option<Duration>,
    /// JSON, unless the call has another content type.
    pub(crate) body: Option<Bytes>,
    /// Intent that is written before the request.
    pub(crate) intent: Option<PendingIntent>,
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Number of headers of a request, as it is sent.
const HEADERS: usize = 8;

impl Call {
    pub(crate) fn new(operation: Operation, path: impl Into<String>) -> Self {
        Self { operation, path: path.into(), timeout: None, body: None, intent: None }
    }

    /// Adds a JSON body. An invalid one is an error of the call.
    pub(crate) fn json<B: Serialize>(mut self, body: Result<B, defender_model::Error>) -> Result<Self, Error> {
        let invalid = || Error::new(ErrorKind::Request).context(self.context());
        let body = body.map_err(|source| invalid().caused_by(source))?;
        self.body = Some(serde_json::to_vec(&body).map_err(|source| invalid().caused_by(source))?.into());
        Ok(self)
    }

    /// Method and path for the texts of errors, without the query, which is long and repeats the path.
    pub(crate) fn context(&self) -> String {
        format!("{} {}", self.operation.method, self.path.split('?').next().unwrap_or_default())
    }

    /// Returns the finished request of a JSON call, without a token. The token is set when the request is sent.
    pub(crate) fn request(&self, inner: &Inner) -> Result<Request<Bytes>, Error> {
        self.to_request(inner, inner.operation_facts.of(&self.operation), self.timeout, JSON)
    }

    fn to_request(
        &self,
        inner: &Inner,
        shared: Shared,
        timeout: Option<Duration>,
        content_type: HeaderValue,
    ) -> Result<Request<Bytes>, Error> {
        let uri = inner.base.join(&self.path);
        let uri = uri.map_err(|source| Error::new(ErrorKind::Request).context(self.context()).caused_by(source))?;
        let mut request = Request::new(self.body.clone().unwrap_or_default());
        request.method_mut().clone_from(&self.operation.method);
        *request.uri_mut() = uri;
        // Room for all headers that the layers and the transport add, so that the map does not grow.
        request.headers_mut().reserve(HEADERS);
        request.headers_mut().insert(header::ACCEPT, JSON);
        if self.body.is_some() {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        request.extensions_mut().insert(shared);
        if let Some(timeout) = timeout {
            request.extensions_mut().insert(Timeouts::default().total(timeout));
        }
        if let Some(intent) = &self.intent {
            request.extensions_mut().insert(intent.clone());
        }
        Ok(request)
    }
}

impl Inner {
    /// Makes `call` and reads a `T` from a successful response.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.call_with(call, JSON, read_json).await
    }

    /// Makes `call` with a body of this content type, and reads a successful response with `read`.
    pub(crate) async fn call_with<T>(
        &self,
        call: Call,
        content_type: HeaderValue,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, Error> {
        Ok(self.exchange(&call, call.timeout, content_type, &Arc::default(), read).await?.read)
    }

    /// Makes `call` with a note about it.
    pub(crate) async fn call_with_note<T>(
        &self,
        call: &Call,
        note: &Arc<CallNote>,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, Error> {
        Ok(self.exchange(call, call.timeout, JSON, note, read).await?.read)
    }

    /// Makes `call` with this time limit and with a note about it, and returns the number of attempts.
    pub(crate) async fn call_counted<T: DeserializeOwned>(
        &self,
        call: &Call,
        timeout: Option<Duration>,
        note: &Arc<CallNote>,
    ) -> Result<(Box<T>, u32), Error> {
        let read = |body: &[u8]| read_json(body).map(Box::new);
        let exchanged = self.exchange(call, timeout, JSON, note, read).await?;
        Ok((exchanged.read, exchanged.attempts))
    }

    /// Makes `call` and reads a page. Returns the token with it, which no text about the page may contain.
    pub(crate) async fn call_page<T: DeserializeOwned>(&self, call: Call) -> Result<(T, Option<Bearer>), Error> {
        let exchanged = self.exchange(&call, call.timeout, JSON, &Arc::default(), read_json).await?;
        Ok((exchanged.read, exchanged.bearer))
    }

    /// Makes `call`, and reports its end to the observer.
    async fn exchange<T>(
        &self,
        call: &Call,
        timeout: Option<Duration>,
        content_type: HeaderValue,
        note: &Arc<CallNote>,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Exchanged<T>, Error> {
        let report = CallReport::begin(self.observer.as_ref(), &self.clock, &call.operation);
        let failed = |error: Error| {
            report.as_ref().inspect(|report| report.ended(error.status(), End::Failed(error.kind())));
            error
        };
        let Operation { quota, idempotency, read: limit, needs, .. } = call.operation;
        let (limit, time) = (self.limits.of(limit), timeout.unwrap_or(self.total_timeout));
        let shared = self.operation_facts.of(&call.operation).with_note(Arc::clone(note));
        let mut request = call.to_request(self, shared, timeout, content_type).map_err(failed)?;
        report.as_ref().map(|report| request.extensions_mut().insert(report.stats()));
        let forgets = ForgetsBearer(note);
        let response = self.transport.send(request).await;
        let response =
            response.map_err(|error| failed(no_response(error, idempotency, quota, time).context(call.context())))?;
        let attempts = Attempts::of(&response);
        let bearer = forgets.0.take_bearer();
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let request_id = correlation_id(&head.headers);
        self.notices.note(&call.operation, head.status, &head.headers);
        let body = body.collect(limit).await;
        // The clock of another server shows nothing about the service's clock.
        let is_own = note.is_from_service();
        let times = &note.send_times;
        let learn = || self.service_time.learn(&head.headers, times.last(), times.responded());
        let date = if is_own { learn() } else { None };
        if !head.status.is_success() {
            // The status alone proves a refusal, even if the body broke off.
            let (body, broken) = body.map_or_else(|error| (Bytes::new(), Some(error)), |body| (body, None));
            let problem = Problem::parse(status, &body);
            let mut error = Error::new(refusal(&problem, idempotency)).context(call.context()).with_permissions(needs);
            if let Some(broken) = broken {
                error = error.caused_by(broken);
            }
            let again = retry_after(&head.headers, self.clock.now());
            let error = error.with_problem(problem).with_request_id(request_id).with_date(date);
            return Err(failed(error.with_attempts(attempts, again)));
        }
        let unreadable = |body: &[u8], source: Box<dyn StdError + Send + Sync>| {
            let clean = secrets(bearer.as_ref()).redact_bytes(body);
            let error = Error::new(ErrorKind::InvalidResponse)
                .context(call.context())
                .retryable(idempotency == Idempotency::Idempotent)
                .with_problem(Problem::parse(status, clean.as_deref().unwrap_or(body)))
                .with_request_id(request_id.clone())
                .caused_by(source);
            failed(error.with_attempts(attempts, None))
        };
        let body = body.map_err(|source| unreadable(b"", source.into()))?;
        let read = read(&body);
        let read = read.map_err(|source| unreadable(&body, cleaned(&secrets(bearer.as_ref()), source)))?;
        report.as_ref().inspect(|report| report.ended(Some(status), End::Succeeded));
        Ok(Exchanged { read, attempts, bearer })
    }
}

/// A note that has no token when the exchange ends or is dropped. The note lives longer.
struct ForgetsBearer<'a>(&'a CallNote);

impl Drop for ForgetsBearer<'_> {
    fn drop(&mut self) {
        drop(self.0.take_bearer());
    }
}

/// Successful response of a call.
struct Exchanged<T> {
    read: T,
    attempts: u32,
    bearer: Option<Bearer>,
}

/// Returns the error of a call without a response, or whose response has no complete body.
fn no_response(error: defender_transport::Error, idempotency: Idempotency, quota: &[Limit], time: Duration) -> Error {
    let (attempts, again) = (error.attempts(), error.retry_after());
    let classified = match (error.kind(), error.response_status().map(|status| status.as_u16())) {
        (TransportErrorKind::Request, _) => Error::new(ErrorKind::Request),
        (TransportErrorKind::Credential, _) => return without_token(error).with_attempts(attempts, again),
        (TransportErrorKind::ForeignResponse, _) => foreign(&error, idempotency),
        // A successful status and a broken body: the request was processed.
        (_, Some(status @ 200..=299)) => Error::new(ErrorKind::InvalidResponse)
            .retryable(idempotency == Idempotency::Idempotent)
            .with_problem(Problem::parse(status, b"")),
        // The status alone proves a refusal.
        (_, Some(status)) => {
            let problem = Problem::parse(status, b"");
            Error::new(refusal(&problem, idempotency)).with_problem(problem)
        }
        (TransportErrorKind::Timeout, None) if error.never_sent() => {
            // If the turn came just as the time was over, the shortest window frees a place.
            let window = || quota.iter().map(|limit| limit.per).min().unwrap_or_default();
            let again = again.unwrap_or_else(window);
            return out_of_turn(attempts, quota, time, again).caused_by(error).with_attempts(attempts, Some(again));
        }
        (TransportErrorKind::QuotaStore, None) if error.never_sent() => Error::new(ErrorKind::QuotaStore),
        _ if error.never_sent() => Error::new(ErrorKind::ConnectFailed).retryable(!error.is_permanent()),
        _ if idempotency == Idempotency::NonIdempotent => Error::new(ErrorKind::OutcomeUnknown),
        _ => Error::new(ErrorKind::Interrupted),
    };
    classified.caused_by(error).with_attempts(attempts, again)
}

/// Returns the error of a call whose turn in the client's own queue does not come in its time.
fn out_of_turn(attempts: u32, quota: &[Limit], time: Duration, again: Duration) -> Error {
    // The service may have refused an earlier attempt.
    let outcome = if attempts > 1 { "nothing was processed" } else { "nothing was sent" };
    let per = |per: Duration| match per.as_secs() {
        60 => "a minute".to_owned(),
        3_600 => "an hour".to_owned(),
        _ => format!("in {per:?}"),
    };
    let limits: Vec<_> = quota.iter().map(|limit| format!("{} calls {}", limit.calls, per(limit.per))).collect();
    let queue = format!("this client's own queue for the quota of the operation ({})", limits.join(", "));
    let seconds = again.as_secs().saturating_add(u64::from(again.subsec_nanos() > 0));
    let message = format!("{outcome}: the call's turn in {queue} does not come within its timeout of {time:?}");
    let advice = format!("raise `.timeout(..)`, or call again after {seconds} s");
    Error::new(ErrorKind::Throttled).message(message).with_advice(advice).not_sent()
}

/// Returns the error of a response that the service did not write. The effect on the service is not known.
fn foreign(error: &defender_transport::Error, idempotency: Idempotency) -> Error {
    let (kind, outcome) = match idempotency {
        Idempotency::NonIdempotent => (ErrorKind::OutcomeUnknown, "outcome unknown"),
        Idempotency::Idempotent => (ErrorKind::Interrupted, "no response"),
    };
    let response = StdError::source(error).and_then(|source| source.downcast_ref::<ForeignResponse>());
    let which = response.map_or_else(|| error.to_string(), ToString::to_string);
    let why = "a proxy or portal seems to have responded in place of the service";
    let advice = match idempotency {
        Idempotency::NonIdempotent => {
            "the request may have taken effect: check the proxy or portal in between before you send it again"
        }
        Idempotency::Idempotent => "check the base URL and the proxy or portal in between, then call again",
    };
    let foreign = Error::new(kind).message(format!("{outcome}: {why} ({which})")).with_advice(advice);
    let foreign = foreign.retryable(idempotency == Idempotency::Idempotent && !error.is_permanent());
    match response {
        Some(response) => foreign.with_problem(Problem::parse(response.status.as_u16(), &response.body)),
        None => foreign,
    }
}

/// Returns the error of a call without a token. The credential's own error replaces the transport's, and decides if a later call
/// may succeed.
fn without_token(error: defender_transport::Error) -> Error {
    let no_token = Error::new(ErrorKind::Credential);
    match error.into_source() {
        Some(source) => {
            let unreached =
                source.downcast_ref::<defender_auth::Error>().is_some_and(defender_auth::Error::is_retryable);
            no_token.retryable(unreached).caused_by(source)
        }
        None => no_token,
    }
}

/// Returns the kind of error of a status other than 2xx.
pub(crate) fn refusal(problem: &Problem, idempotency: Idempotency) -> ErrorKind {
    match problem.status() {
        _ if problem.is_already_in_progress() => ErrorKind::AlreadyInProgress,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        410 => ErrorKind::Retired,
        425 | 429 => ErrorKind::Throttled,
        // A gateway that gives up does not know what the service behind it did.
        408 | 500..=599 if idempotency == Idempotency::NonIdempotent => ErrorKind::OutcomeUnknown,
        408 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Refused,
    }
}

/// Header with the service's id of a call.
const CORRELATION_ID: HeaderName = HeaderName::from_static("mise-correlation-id");

fn correlation_id(headers: &HeaderMap) -> Option<String> {
    const LONGEST: usize = 200;
    let text = headers.get(CORRELATION_ID)?.to_str().ok()?;
    Some(sanitize_line(text, LONGEST)).filter(|id| !id.is_empty())
}
