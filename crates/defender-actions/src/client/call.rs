//! One call: its request, and the meaning of its response.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use defender_model::{Limit, Problem, read_json, sanitize_line};
use defender_transport::{
    ErrorKind as TransportErrorKind,
    extensions::{Attempts, Idempotency, RateLimit, RateLimitScope, Timeouts, UrlTemplate},
    retry_after,
};
use http::{Extensions, HeaderMap, HeaderValue, Request, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, ErrorKind,
    client::{
        Inner,
        foreign_response::ForeignResponse,
        operation::Operation,
        response_author::{Author, Content, author},
        scrub::{Bearer, cleaned, secrets},
        send_times::SendTimes,
    },
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
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Call {
    pub(crate) fn new(operation: Operation, path: impl Into<String>) -> Self {
        Self { operation, path: path.into(), timeout: None, body: None }
    }

    /// Adds a JSON body. An invalid one is an error of the call.
    pub(crate) fn json<B: Serialize>(mut self, body: Result<B, defender_model::Error>) -> Result<Self, Error> {
        let invalid = || Error::new(ErrorKind::Request).context(self.context());
        let body = body.map_err(|source| invalid().caused_by(source))?;
        self.body = Some(serde_json::to_vec(&body).map_err(|source| invalid().caused_by(source))?);
        Ok(self)
    }

    /// Method and path for the texts of errors, without the query, which is long and repeats the path.
    pub(crate) fn context(&self) -> String {
        format!("{} {}", self.operation.method, self.path.split('?').next().unwrap_or_default())
    }

    /// Returns the finished request, without a token. The token is set when the request is sent.
    pub(crate) fn into_request(self, inner: &Inner, content_type: HeaderValue) -> Result<Request<Bytes>, Error> {
        let mut request = Request::builder()
            .method(self.operation.method.clone())
            .uri(format!("{}{}", inner.base, self.path))
            .header(header::ACCEPT, JSON)
            .body(Bytes::new())
            .map_err(|source| Error::new(ErrorKind::Request).context(self.context()).caused_by(source))?;
        if let Some(body) = self.body {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type);
            *request.body_mut() = body.into();
        }
        let Operation { template, quota, idempotency, read, .. } = &self.operation;
        let extensions = request.extensions_mut();
        extensions.insert(*idempotency);
        extensions.insert(inner.limits.read(*read));
        if let Some(timeout) = self.timeout {
            extensions.insert(Timeouts::default().total(timeout));
        }
        extensions.insert(RateLimitScope {
            key: self.operation.queue().into(),
            limits: quota.iter().map(|limit| RateLimit { calls: limit.calls, per: limit.per }).collect(),
        });
        extensions.insert(UrlTemplate(template.clone()));
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
        Ok(self.exchange(call, content_type, &SendTimes::default(), |_| {}, read).await?.read)
    }

    /// Makes `call` with the extensions that `mark` adds to its request, such as a [`Content`].
    pub(crate) async fn call_marked<T>(
        &self,
        call: Call,
        mark: impl FnOnce(&mut Extensions),
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, Error> {
        Ok(self.exchange(call, JSON, &SendTimes::default(), mark, read).await?.read)
    }

    /// Makes `call`, records the send times of its attempts, and returns their number.
    pub(crate) async fn call_noted<T>(
        &self,
        call: Call,
        content_type: HeaderValue,
        send_times: &SendTimes,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<(T, u32), Error> {
        let exchanged = self.exchange(call, content_type, send_times, |_| {}, read).await?;
        Ok((exchanged.read, exchanged.attempts))
    }

    /// Makes `call` and reads a page. Returns the token with it, which no text about the page may contain.
    pub(crate) async fn call_page<T: DeserializeOwned>(&self, call: Call) -> Result<(T, Option<Bearer>), Error> {
        let exchanged = self.exchange(call, JSON, &SendTimes::default(), |_| {}, read_json).await?;
        Ok((exchanged.read, exchanged.bearer))
    }

    /// Makes `call`, and reports its end to the observer.
    async fn exchange<T>(
        &self,
        call: Call,
        content_type: HeaderValue,
        send_times: &SendTimes,
        mark: impl FnOnce(&mut Extensions),
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Exchanged<T>, Error> {
        let what = call.context();
        let report = CallReport::begin(self.observer.as_ref(), &self.clock, &call.operation);
        let failed = |error: Error| {
            report.as_ref().inspect(|report| report.ended(error.status(), End::Failed(error.kind())));
            error
        };
        let Operation { ref method, ref template, quota, idempotency, read: limit, needs, .. } = call.operation;
        let operation = format!("{method} {template}");
        let (limit, time) = (self.limits.of(limit), call.timeout.unwrap_or(self.total_timeout));
        let mut request = call.into_request(self, content_type).map_err(failed)?;
        request.extensions_mut().insert(send_times.clone());
        report.as_ref().map(|report| request.extensions_mut().insert(report.stats()));
        mark(request.extensions_mut());
        let content = request.extensions().get::<Content>().copied().unwrap_or_default();
        let response = self.transport.send(request).await;
        let response =
            response.map_err(|error| failed(no_response(error, idempotency, quota, time).context(&*what)))?;
        let attempts = Attempts::of(&response);
        let bearer = Bearer::behind(&response);
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let request_id = correlation_id(&head.headers);
        self.notices.note(&operation, head.status, &head.headers);
        let body = body.collect(limit).await;
        let received = body.as_deref().unwrap_or_default();
        // The clock of another server shows nothing about the service's clock.
        let is_own = author(head.status, &head.headers, received, idempotency, content) == Author::Service;
        let learn = || self.service_time.learn(&head.headers, send_times.last(), send_times.responded());
        let date = if is_own { learn() } else { None };
        if !head.status.is_success() {
            // The status alone proves a refusal, even if the body broke off.
            let (body, broken) = body.map_or_else(|error| (Bytes::new(), Some(error)), |body| (body, None));
            let problem = Problem::parse(status, &body);
            let mut error = Error::new(refusal(&problem, idempotency)).context(what).with_permissions(needs);
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
                .context(&*what)
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
    Error::new(ErrorKind::Throttled).message(message).advice(advice).not_sent()
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
    let foreign = Error::new(kind).message(format!("{outcome}: {why} ({which})")).advice(advice);
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

fn correlation_id(headers: &HeaderMap) -> Option<String> {
    const LONGEST: usize = 200;
    let text = headers.get("mise-correlation-id")?.to_str().ok()?;
    Some(sanitize_line(text, LONGEST)).filter(|id| !id.is_empty())
}
