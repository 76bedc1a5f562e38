//! One request and what its answer means.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use defender_model::{Limit, Problem, read_json, sanitize_line};
use defender_transport::{
    ErrorKind as Broken,
    extensions::{Attempts, Idempotency, RateLimit, RateLimitScope, Timeouts, UrlTemplate},
    retry_after,
};
use http::{Extensions, HeaderMap, HeaderValue, Request, header};
use serde::de::DeserializeOwned;

use crate::{
    Error, ErrorKind,
    client::{
        Inner,
        authored::ForeignResponse,
        authorship::{Author, Content, author},
        operation::Operation,
        scrub::{Bearer, cleaned, secrets},
        send_times::SendTimes,
    },
};

/// A call of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// Below the prefix, with ids in it.
    pub(crate) path: String,
    /// How long the call may take, if it says so itself.
    pub(crate) timeout: Option<Duration>,
    /// JSON, unless the call is made with another type of content.
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Call {
    /// What errors call it. What is asked of a list stays out of them: it is long, and says nothing that its place does not.
    fn what(&self) -> String {
        format!("{} {}", self.operation.method, self.path.split('?').next().unwrap_or_default())
    }

    /// The request, finished but for the token, which is put on at its departure.
    pub(crate) fn into_request(self, inner: &Inner, content_type: HeaderValue) -> Result<Request<Bytes>, Error> {
        let mut request = Request::builder()
            .method(self.operation.method.clone())
            .uri(format!("{}{}", inner.base, self.path))
            .header(header::ACCEPT, JSON)
            .body(Bytes::new())
            .map_err(|source| Error::new(ErrorKind::Request).context(self.what()).caused_by(source))?;
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
    /// Makes `call`, and reads a `T` from an answer that says yes.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.call_with(call, JSON, read_json).await
    }

    /// Makes `call` with a body of this type of content, and reads an answer that says yes in its own way.
    pub(crate) async fn call_with<T>(
        &self,
        call: Call,
        content_type: HeaderValue,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, Error> {
        Ok(self.exchange(call, content_type, &SendTimes::default(), |_| {}, read).await?.read)
    }

    /// Makes `call` with what `mark` puts into the extensions of its request, such as a [`Content`].
    pub(crate) async fn call_marked<T>(
        &self,
        call: Call,
        mark: impl FnOnce(&mut Extensions),
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, Error> {
        Ok(self.exchange(call, JSON, &SendTimes::default(), mark, read).await?.read)
    }

    /// The same, noting when it went off; and says how many sendings it took.
    pub(crate) async fn call_noted<T>(
        &self,
        call: Call,
        content_type: HeaderValue,
        departure: &SendTimes,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<(T, u32), Error> {
        let exchanged = self.exchange(call, content_type, departure, |_| {}, read).await?;
        Ok((exchanged.read, exchanged.attempts))
    }

    /// Makes `call`, and reads a page; gives what may be in no text about the page with it.
    pub(crate) async fn call_page<T: DeserializeOwned>(&self, call: Call) -> Result<(T, Option<Bearer>), Error> {
        let exchanged = self.exchange(call, JSON, &SendTimes::default(), |_| {}, read_json).await?;
        Ok((exchanged.read, exchanged.bearer))
    }

    async fn exchange<T>(
        &self,
        call: Call,
        content_type: HeaderValue,
        departure: &SendTimes,
        mark: impl FnOnce(&mut Extensions),
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Exchanged<T>, Error> {
        let what = call.what();
        let Operation { ref method, ref template, quota, idempotency, read: limit, needs } = call.operation;
        let operation = format!("{method} {template}");
        let (limit, time) = (self.limits.of(limit), call.timeout.unwrap_or(self.total_timeout));
        let mut request = call.into_request(self, content_type)?;
        request.extensions_mut().insert(departure.clone());
        mark(request.extensions_mut());
        let content = request.extensions().get::<Content>().copied().unwrap_or_default();
        let answer = self.transport.send(request).await;
        let answer = answer.map_err(|error| no_answer(error, idempotency, quota, time).context(&*what))?;
        let attempts = Attempts::of(&answer);
        let bearer = Bearer::behind(&answer);
        let (head, body) = answer.into_parts();
        let status = head.status.as_u16();
        let request_id = correlation_id(&head.headers);
        self.announcements.note(&operation, head.status, &head.headers);
        let body = body.collect(limit).await;
        let seen = body.as_deref().unwrap_or_default();
        // Another server's clock says nothing of the service's.
        let is_own = author(head.status, &head.headers, seen, idempotency, content) == Author::Service;
        let learn = || self.service_time.learn(&head.headers, departure.last(), departure.answered());
        let date = if is_own { learn() } else { None };
        if !head.status.is_success() {
            // A refusal is known by its status, even if its body broke off.
            let (body, broken) = body.map_or_else(|error| (Bytes::new(), Some(error)), |body| (body, None));
            let problem = Problem::parse(status, &body);
            let mut error = Error::new(refusal(&problem, idempotency)).context(what).with_permissions(needs);
            if let Some(broken) = broken {
                error = error.caused_by(broken);
            }
            let again = retry_after(&head.headers, self.clock.now());
            return Err(error
                .with_problem(problem)
                .with_request_id(request_id)
                .with_date(date)
                .with_attempts(attempts, again));
        }
        let unreadable = |body: &[u8], source: Box<dyn StdError + Send + Sync>| {
            let clean = secrets(bearer.as_ref()).redact_bytes(body);
            Error::new(ErrorKind::InvalidResponse)
                .context(&*what)
                .retryable(idempotency == Idempotency::Idempotent)
                .with_problem(Problem::parse(status, clean.as_deref().unwrap_or(body)))
                .with_request_id(request_id.clone())
                .caused_by(source)
                .with_attempts(attempts, None)
        };
        let body = body.map_err(|source| unreadable(b"", source.into()))?;
        let read = read(&body);
        let read = read.map_err(|source| unreadable(&body, cleaned(&secrets(bearer.as_ref()), source)))?;
        Ok(Exchanged { read, attempts, bearer })
    }
}

/// What came of a call.
struct Exchanged<T> {
    read: T,
    attempts: u32,
    bearer: Option<Bearer>,
}

/// What it means that there is no answer, or none whose body came whole.
fn no_answer(error: defender_transport::Error, idempotency: Idempotency, quota: &[Limit], time: Duration) -> Error {
    let (attempts, again) = (error.attempts(), error.retry_after());
    let told = match (error.kind(), error.response_status().map(|status| status.as_u16())) {
        (Broken::Request, _) => Error::new(ErrorKind::Request),
        (Broken::Credential, _) => return without_token(error).with_attempts(attempts, again),
        (Broken::ForeignResponse, _) => foreign(&error, idempotency),
        // A head that says yes, and a body that broke: it has happened.
        (_, Some(status @ 200..=299)) => Error::new(ErrorKind::InvalidResponse)
            .retryable(idempotency == Idempotency::Idempotent)
            .with_problem(Problem::parse(status, b"")),
        // A refusal is known by its status.
        (_, Some(status)) => {
            let problem = Problem::parse(status, b"");
            Error::new(refusal(&problem, idempotency)).with_problem(problem)
        }
        (Broken::Timeout, None) if error.never_sent() => {
            // Where its turn came as its time was over, there will be room after the shortest window.
            let window = || quota.iter().map(|limit| limit.per).min().unwrap_or_default();
            let again = again.unwrap_or_else(window);
            return out_of_turn(attempts, quota, time, again).caused_by(error).with_attempts(attempts, Some(again));
        }
        _ if error.never_sent() => Error::new(ErrorKind::ConnectFailed).retryable(!error.is_permanent()),
        _ if idempotency == Idempotency::NonIdempotent => Error::new(ErrorKind::OutcomeUnknown),
        _ => Error::new(ErrorKind::Interrupted),
    };
    told.caused_by(error).with_attempts(attempts, again)
}

/// Error of a call whose turn in our own queue does not come in its time.
fn out_of_turn(attempts: u32, quota: &[Limit], time: Duration, again: Duration) -> Error {
    // An attempt before may have been refused by the service.
    let outcome = if attempts > 1 { "nothing was processed" } else { "nothing was sent" };
    let per = |per: Duration| match per.as_secs() {
        60 => "a minute".to_owned(),
        3_600 => "an hour".to_owned(),
        _ => format!("in {per:?}"),
    };
    let limits: Vec<_> = quota.iter().map(|limit| format!("{} calls {}", limit.calls, per(limit.per))).collect();
    let queue = format!("this client's own queue for the quota of this operation ({})", limits.join(", "));
    let seconds = again.as_secs().saturating_add(u64::from(again.subsec_nanos() > 0));
    let message = format!("{outcome}: its turn in {queue} does not come within the call's time of {time:?}");
    let advice = format!("raise `.timeout(..)`, or call again after {seconds} s");
    Error::new(ErrorKind::Throttled).message(message).advice(advice).not_sent()
}

/// Error of a call that somebody else responded to. Nothing is known of what the service did.
fn foreign(error: &defender_transport::Error, idempotency: Idempotency) -> Error {
    let (kind, outcome) = match idempotency {
        Idempotency::NonIdempotent => (ErrorKind::OutcomeUnknown, "it is not known whether this took effect"),
        Idempotency::Idempotent => (ErrorKind::Interrupted, "no response of the service came"),
    };
    let response = StdError::source(error).and_then(|source| source.downcast_ref::<ForeignResponse>());
    let which = response.map_or_else(|| error.to_string(), ToString::to_string);
    let why = "a proxy or portal seems to respond in the service's place";
    let advice = match idempotency {
        Idempotency::NonIdempotent => "check the proxy or portal between, and do not send it again before that",
        Idempotency::Idempotent => "check the base URL and the proxy or portal between, then call again",
    };
    let foreign = Error::new(kind).message(format!("{outcome}: {why} ({which})")).advice(advice);
    let foreign = foreign.retryable(idempotency == Idempotency::Idempotent && !error.is_permanent());
    match response {
        Some(response) => foreign.with_problem(Problem::parse(response.status.as_u16(), &response.body)),
        None => foreign,
    }
}

/// The credential's own error says it all, so it stands in for the transport's. Whether a later call may go well is the
/// credential's to say, too.
fn without_token(error: defender_transport::Error) -> Error {
    let told = Error::new(ErrorKind::Credential);
    match error.into_source() {
        Some(source) => {
            let unreached =
                source.downcast_ref::<defender_auth::Error>().is_some_and(defender_auth::Error::is_retryable);
            told.retryable(unreached).caused_by(source)
        }
        None => told,
    }
}

/// What a status that is no success means.
pub(crate) fn refusal(problem: &Problem, idempotency: Idempotency) -> ErrorKind {
    match problem.status() {
        _ if problem.is_already_in_progress() => ErrorKind::AlreadyInProgress,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        410 => ErrorKind::Retired,
        425 | 429 => ErrorKind::Throttled,
        // A gateway that gives up says nothing of what the service behind it did.
        408 | 500..=599 if idempotency == Idempotency::NonIdempotent => ErrorKind::OutcomeUnknown,
        408 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Refused,
    }
}

fn correlation_id(headers: &HeaderMap) -> Option<String> {
    /// No id is longer.
    const LONGEST: usize = 200;
    let text = headers.get("mise-correlation-id")?.to_str().ok()?;
    Some(sanitize_line(text, LONGEST)).filter(|id| !id.is_empty())
}
