//! A span and an event for every attempt.

mod attempt;
mod headers;
mod span;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use tracing::{Instrument, Level, level_filters::LevelFilter};

use self::{
    attempt::{Attempt, End, TracedBody},
    span::{secrets, span},
};
use crate::{Body, Clock, Error, Transport, transport::SendFuture};

/// Reports every attempt to [`tracing`]: a span from sending the request to the end of the body, and an event at the end. The
/// names are those of the [OpenTelemetry conventions for HTTP clients][otel]. Of the required fields, `url.full`
/// is left out on purpose.
///
/// [otel]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
///
/// ```
/// # #[cfg(all(feature = "hyper", feature = "tokio", feature = "aws-lc-rs"))] {
/// use defender_transport::{HyperTransport, SystemClock, TransportExt};
///
/// # fn main() -> Result<(), defender_transport::Error> {
/// let transport = HyperTransport::new()?.traced(SystemClock::new());
/// # Ok(())
/// # }
/// # main().unwrap() }
/// ```
///
/// # Targets
///
/// | target | span or event | level |
/// |---|---|---|
/// | `defender_transport::attempt` | span `attempt` | `INFO`, so that no event is without it |
/// | `defender_transport::attempt` | event at its end | `INFO` if no complete response came or the status is 5xx; else `DEBUG` |
///
/// No attempt is a warning, since a retry may succeed. The caller gets the outcome of the call. Other adapters have targets of their
/// own, under `defender_transport`.
///
/// # Fields of the span
///
/// | field | value | present if |
/// |---|---|---|
/// | `otel.name` | method, and the template if there is one | always |
/// | `otel.kind` | `client` | always |
/// | `otel.status_code` | `ERROR` | the status is 4xx or 5xx, or no complete response came |
/// | `http.request.method` | method; `_OTHER` if HTTP does not define it | always |
/// | `url.scheme`, `server.address`, `server.port` | parts of the URL | the URL has them |
/// | `url.template` | [`UrlTemplate`](crate::extensions::UrlTemplate) of the request | the request has one |
/// | `http.request.resend_count` | [`Resends`](crate::extensions::Resends) of the request | the request was sent before |
/// | `http.response.status_code` | status | the head of a response came |
/// | `network.protocol.version` | `1.1`, `2` | the head of a response came |
/// | `http.response.header.<name>` | text of at most 64 bytes | the response has the header, and it has the form of one; `<name>` is `content-type` (without its parameters), `date`, `retry-after`, `request-id`, `x-ms-request-id` or `mise-correlation-id` |
/// | `error.type` | status, or name of the [`ErrorKind`](crate::ErrorKind), or `Dropped` | as `otel.status_code`, or the caller dropped the future or the body |
///
/// # Fields of the event
///
/// `http.client.request.duration`, in seconds, from sending the request to the end of the body; `http.response.status_code` and
/// `error.type` as in the span; `never_sent` (a boolean) if no response came. The message is one of `response received`,
/// `no response`, `response body broken`, `dropped before the response` and `dropped inside the response body`.
///
/// # What is never traced
///
/// An echoed secret: a listed header that holds, in any encoding, one of the request's [`Secrets`](crate::Secrets), or the value of
/// one of the request's sensitive headers;
/// a body; a query; the path, unless it is a template; a header that is not listed above, and no header of the request; the
/// message of an error, which a foreign transport may have filled with any of these. The caller has the
/// error, and with it the message.
///
/// A body that is not read to its end is reported when it is dropped. Without a subscriber, an attempt costs the comparison of two
/// levels.
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

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Traced<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        if LevelFilter::current() < Level::INFO {
            return self.inner.send(request);
        }
        // The span begins at the first poll: its parent is known only then.
        Box::pin(self.traced(request))
    }
}

impl<T: Transport> Traced<T> {
    async fn traced(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let span = span(&request);
        if span.is_disabled() {
            return self.inner.send(request).await;
        }
        let mut attempt = Attempt::new(span, Arc::clone(&self.clock), secrets(&request));
        match self.inner.send(request).instrument(attempt.span.clone()).await {
            Ok(response) => {
                attempt.head(&response);
                if response.body().is_end_stream() {
                    attempt.end(End::Complete);
                    return Ok(response);
                }
                Ok(response.map(|body| Body::new(TracedBody { body, attempt })))
            }
            Err(error) => {
                attempt.end(End::Failed(&error));
                Err(error)
            }
        }
    }
}
