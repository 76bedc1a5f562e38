//! An attempt in progress, and the event at its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::{Level, Span};

use super::{
    headers::{HEADERS, text},
    span::TARGET,
};
use crate::{Body, Clock, Error, Secrets};

/// Attempt in progress. However it ends, its end is reported once.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) span: Span,
    clock: Arc<dyn Clock>,
    began: Duration,
    secrets: [Secrets; 2],
    status: Option<StatusCode>,
    is_over: bool,
}

/// End of an attempt.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    /// The response is complete.
    Complete,
    Failed(&'a Error),
    Dropped,
}

impl Attempt {
    pub(super) fn new(span: Span, clock: Arc<dyn Clock>, secrets: [Secrets; 2]) -> Self {
        let began = clock.elapsed();
        Self { span, clock, began, secrets, status: None, is_over: false }
    }

    /// Records the head of the response.
    pub(super) fn head<B>(&mut self, response: &Response<B>) {
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

    /// Reports the end, unless it has been reported.
    pub(super) fn end(&mut self, end: End<'_>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let refusal = self.status.filter(|status| status.is_client_error() || status.is_server_error());
        let (message, error_type) = match (end, self.status) {
            (End::Complete, _) => ("response received", None),
            (End::Failed(error), None) => ("no response", Some(format!("{:?}", error.kind()))),
            (End::Failed(error), Some(_)) => ("response body broken", Some(format!("{:?}", error.kind()))),
            (End::Dropped, None) => ("dropped before the response", Some("Dropped".to_owned())),
            (End::Dropped, Some(_)) => ("dropped inside the response body", Some("Dropped".to_owned())),
        };
        let has_failed = matches!(end, End::Failed(_));
        let error_type = error_type.or_else(|| refusal.map(|status| status.as_str().to_owned()));
        self.span.record("error.type", error_type.as_deref());
        self.span.record("otel.status_code", (has_failed || refusal.is_some()).then_some("ERROR"));
        let never_sent = match end {
            End::Failed(error) if self.status.is_none() => Some(error.never_sent()),
            _ => None,
        };
        let seconds = self.clock.elapsed().saturating_sub(self.began).as_secs_f64();
        let status = self.status.map(|status| status.as_u16());
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    parent: &self.span,
                    $level,
                    http.client.request.duration = seconds,
                    http.response.status_code = status,
                    error.type = error_type,
                    never_sent,
                    "{message}"
                )
            };
        }
        // Not a warning: a retry may succeed, and the caller gets the outcome of the call.
        if has_failed || self.status.is_some_and(|status| status.is_server_error()) {
            event!(Level::INFO);
        } else {
            event!(Level::DEBUG);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}

/// Body that is read inside its attempt.
pub(super) struct TracedBody {
    pub(super) body: Body,
    pub(super) attempt: Attempt,
}

impl HttpBody for TracedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let polled = this.attempt.span.in_scope(|| Pin::new(&mut this.body).poll_frame(context));
        match &polled {
            Poll::Ready(None) => this.attempt.end(End::Complete),
            Poll::Ready(Some(Err(error))) => this.attempt.end(End::Failed(error)),
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

impl Drop for TracedBody {
    fn drop(&mut self) {
        // A reader may stop at the last byte without polling for the end.
        if self.body.is_end_stream() {
            self.attempt.end(End::Complete);
        }
    }
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
