//! A span and an event for every attempt.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::{Instrument, Level, Span, field, level_filters::LevelFilter};

use crate::{
    Body, Clock, Error, Secrets, Transport,
    extensions::{self, Resends, UrlTemplate},
    transport::SendFuture,
};

/// Reports every attempt to [`tracing`]: a span from sending the request to the end of the body, and an event at the end. The
/// names are those of the [OpenTelemetry conventions for HTTP clients][otel]. Of the required fields, `url.full`
/// is left out on purpose.
///
/// [otel]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
///
/// # Targets
///
/// | target | what | level |
/// |---|---|---|
/// | `defender_transport::attempt` | the span `try` | `WARN`, so that no event stands without it |
/// | `defender_transport::attempt` | the event at its end | `WARN` if no response came, the body broke off, or the status is 5xx; else `DEBUG` |
///
/// Other adapters have targets of their own, under `defender_transport`.
///
/// # Fields of the span
///
/// | field | is | when |
/// |---|---|---|
/// | `otel.name` | the method, and the template if there is one | always |
/// | `otel.kind` | `client` | always |
/// | `otel.status_code` | `ERROR` | the status is 4xx or 5xx, or no whole response came |
/// | `http.request.method` | the method; `_OTHER` if HTTP does not define it | always |
/// | `url.scheme`, `server.address`, `server.port` | of the URL | the URL has them |
/// | `url.template` | the request's [`UrlTemplate`] | it has one |
/// | `http.request.resend_count` | the request's [`Resends`] | it was sent before |
/// | `http.response.status_code` | the status | the head came |
/// | `network.protocol.version` | `1.1`, `2` | the head came |
/// | `http.response.header.<name>` | text of at most 64 bytes | the header came, is `content-type` (without its parameters), `date`, `retry-after`, `request-id`, `x-ms-request-id` or `mise-correlation-id`, and has the form of one |
/// | `error.type` | the status, or the name of the [`ErrorKind`](crate::ErrorKind), or `Dropped` | as `otel.status_code`, or the caller left |
///
/// # Fields of the event
///
/// `http.client.request.duration`, in seconds, from sending the request to the end of the body; `http.response.status_code` and
/// `error.type` as in the span; `never_sent` (a boolean) where no response came. The message is one of `answered`,
/// `not answered`, `the body broke off`, `dropped before the head` and `dropped inside the body`.
///
/// # What is never traced
///
/// An echoed secret: a listed header that holds, in any encoding, one of the request's [`Secrets`], or the value of one
/// of the request's sensitive headers;
/// a body; a query; the path, unless it is a template; a header that is not listed above, and no header of the request; the
/// message of an error, which a transport of somebody else's may have filled with any of these. The caller has the
/// error, and with it the message.
///
/// A body that is not read to its end is reported when it is dropped. Without a subscriber, an attempt costs one look at a
/// number.
#[derive(Debug)]
pub struct Traced<T> {
    inner: T,
    clock: Arc<dyn Clock>,
}

impl<T> Traced<T> {
    /// Wraps `inner`. The clock is for the durations.
    pub fn new(inner: T, clock: impl Clock + 'static) -> Self {
        Self { inner, clock: Arc::new(clock) }
    }
}

const TARGET: &str = "defender_transport::attempt";

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Traced<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        // Where somebody listens, the span is begun at the first poll: only then is it known under which other it runs.
        if LevelFilter::current() < Level::WARN {
            return self.inner.send(request);
        }
        Box::pin(self.told(request))
    }
}

impl<T: Transport> Traced<T> {
    async fn told(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let span = span(&request);
        if span.is_disabled() {
            return self.inner.send(request).await;
        }
        let mut trying = Try::new(span, Arc::clone(&self.clock), secrets(&request));
        match self.inner.send(request).instrument(trying.span.clone()).await {
            Ok(response) => {
                trying.head(&response);
                if response.body().is_end_stream() {
                    trying.end(End::Answered);
                    return Ok(response);
                }
                Ok(response.map(|body| Body::new(Reading { body, trying })))
            }
            Err(error) => {
                trying.end(End::Broke(&error));
                Err(error)
            }
        }
    }
}

fn span(request: &Request<Bytes>) -> Span {
    if !tracing::enabled!(target: TARGET, Level::WARN) {
        return Span::none();
    }
    let (method, uri) = (known(request.method()), request.uri());
    let template = extensions::of::<UrlTemplate, _>(request).map(|template| &*template.0);
    let default_port = match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    tracing::warn_span!(
        target: TARGET,
        "try",
        otel.name = template.map_or_else(|| method.to_owned(), |template| format!("{method} {template}")),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.request.resend_count = request.extensions().get::<Resends>().map(|resends| resends.0).filter(|count| *count > 0),
        url.scheme = uri.scheme_str(),
        url.template = template,
        server.address = uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']')),
        server.port = uri.port_u16().or(default_port),
        http.response.status_code = field::Empty,
        network.protocol.version = field::Empty,
        "http.response.header.content-type" = field::Empty,
        "http.response.header.date" = field::Empty,
        "http.response.header.retry-after" = field::Empty,
        "http.response.header.request-id" = field::Empty,
        "http.response.header.x-ms-request-id" = field::Empty,
        "http.response.header.mise-correlation-id" = field::Empty,
        error.type = field::Empty,
    )
}

/// Secrets of `request`, which must not be traced if a response echoes them.
fn secrets(request: &Request<Bytes>) -> [Secrets; 2] {
    let sensitive = request.headers().values().filter(|value| value.is_sensitive());
    // `Bearer` and `Basic` are no part of what follows them.
    let values = sensitive.filter_map(|value| value.to_str().ok()?.rsplit(' ').next());
    [Secrets::new(values), request.extensions().get().cloned().unwrap_or_default()]
}

/// An attempt in progress. However it ends, the end is reported once.
#[derive(Debug)]
struct Try {
    span: Span,
    clock: Arc<dyn Clock>,
    begin: Duration,
    secrets: [Secrets; 2],
    status: Option<StatusCode>,
    over: bool,
}

/// Ending of an attempt.
#[derive(Clone, Copy)]
enum End<'a> {
    Answered,
    Broke(&'a Error),
    Dropped,
}

impl Try {
    fn new(span: Span, clock: Arc<dyn Clock>, secrets: [Secrets; 2]) -> Self {
        let begin = clock.elapsed();
        Self { span, clock, begin, secrets, status: None, over: false }
    }

    /// The head came.
    fn head<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status());
        self.span.record("http.response.status_code", response.status().as_u16());
        self.span.record("network.protocol.version", version(response.version()));
        for (name, field) in HEADERS {
            if let Some(value) = text(response.headers(), name)
                && !self.secrets.iter().any(|secrets| secrets.are_in(value))
            {
                self.span.record(field, value);
            }
        }
    }

    fn end(&mut self, end: End<'_>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let failed = self.status.filter(|status| status.is_client_error() || status.is_server_error());
        let (said, error_type) = match (end, self.status) {
            (End::Answered, _) => ("answered", None),
            (End::Broke(error), None) => ("not answered", Some(format!("{:?}", error.kind()))),
            (End::Broke(error), Some(_)) => ("the body broke off", Some(format!("{:?}", error.kind()))),
            (End::Dropped, None) => ("dropped before the head", Some("Dropped".to_owned())),
            (End::Dropped, Some(_)) => ("dropped inside the body", Some("Dropped".to_owned())),
        };
        let broke = matches!(end, End::Broke(_));
        let error_type = error_type.or_else(|| failed.map(|status| status.as_str().to_owned()));
        self.span.record("error.type", error_type.as_deref());
        self.span.record("otel.status_code", (broke || failed.is_some()).then_some("ERROR"));
        let never_sent = match end {
            End::Broke(error) if self.status.is_none() => Some(error.never_sent()),
            _ => None,
        };
        let seconds = self.clock.elapsed().saturating_sub(self.begin).as_secs_f64();
        let status = self.status.map(|status| status.as_u16());
        macro_rules! tell {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    parent: &self.span,
                    $level,
                    http.client.request.duration = seconds,
                    http.response.status_code = status,
                    error.type = error_type,
                    never_sent,
                    "{said}"
                )
            };
        }
        if broke || self.status.is_some_and(|status| status.is_server_error()) {
            tell!(Level::WARN);
        } else {
            tell!(Level::DEBUG);
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}

/// A body that is being read inside its attempt.
struct Reading {
    body: Body,
    trying: Try,
}

impl HttpBody for Reading {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let polled = this.trying.span.in_scope(|| Pin::new(&mut this.body).poll_frame(context));
        match &polled {
            Poll::Ready(None) => this.trying.end(End::Answered),
            Poll::Ready(Some(Err(error))) => this.trying.end(End::Broke(error)),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // A reader may stop at the last byte, and not ask for more.
        if self.body.is_end_stream() {
            self.trying.end(End::Answered);
        }
    }
}

/// The headers that are traced, and nothing else: the field of each.
const HEADERS: [(&str, &str); 6] = [
    ("content-type", "http.response.header.content-type"),
    ("date", "http.response.header.date"),
    ("retry-after", "http.response.header.retry-after"),
    ("request-id", "http.response.header.request-id"),
    ("x-ms-request-id", "http.response.header.x-ms-request-id"),
    ("mise-correlation-id", "http.response.header.mise-correlation-id"),
];

/// A header's value, if it is what such a header holds: a media type without its parameters; a date, a number, an id. A server
/// may put anything into them, and echo the request too.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let value = headers.get(name)?.to_str().ok()?;
    let only = |text: &str, besides: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || besides.contains(c);
        !text.is_empty() && text.len() <= LONGEST && text.chars().all(fits)
    };
    if name != "content-type" {
        return only(value, "-_,: ").then_some(value);
    }
    let kind = value.split(';').next().unwrap_or_default().trim();
    let (of, sub) = kind.split_once('/')?;
    (only(of, "-") && only(sub, "-+.")).then_some(kind)
}

/// The method, if it is one that HTTP knows: anybody's word would make a name of its own in every statistic.
fn known(method: &Method) -> &str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    if KNOWN.contains(method) { method.as_str() } else { "_OTHER" }
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}
