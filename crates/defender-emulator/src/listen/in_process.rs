//! The emulator without a socket.

use std::{
    future::pending,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_transport::{Body, Error, ErrorKind, Transport};
use http::{Method, Request, Response, Uri, header::CONTENT_LENGTH};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use crate::{
    endpoints,
    faults::kind::Wire,
    http::route::{Route, route},
    service::Service,
};

/// A way to an [`Emulator`](crate::Emulator) that has no socket in it: see [`Emulator::transport`](crate::Emulator::transport).
///
/// A fault of the network is here the error that a transport would report. Clones lead to the same
/// emulator, which stays for as long as one of them does.
#[derive(Clone, Debug)]
pub struct InProcess(Arc<Service>);

impl InProcess {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        Self(service)
    }

    /// Returns `true` if the URI leads to this emulator.
    fn serves(&self, uri: &Uri) -> bool {
        let origin = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
            _ => return false,
        };
        [&self.0.base_url, &self.0.blob_url, &self.0.identity_url].contains(&&origin)
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        if !self.serves(request.uri()) {
            return Err(Error::new(ErrorKind::Connect).context("the emulator is not at this address"));
        }
        let is_head = request.method() == Method::HEAD;
        let operation = match route(request.method(), request.uri().path()) {
            Route::Call(call) => Some(call.operation),
            _ => None,
        };
        if let Some(fault) = self.0.faults.of_way(operation) {
            return Err(Error::new(ErrorKind::Connect).context(format!("an armed fault: {fault:?}")));
        }
        let response = endpoints::respond(Arc::clone(&self.0), request.map(axum::body::Body::from)).await;
        match response.extensions().get::<Wire>() {
            Some(Wire::Refused) => {
                let refused = Error::new(ErrorKind::Interrupted).not_sent();
                return Err(refused.context("an armed fault refused the stream"));
            }
            Some(Wire::Cut) => {
                return Err(Error::new(ErrorKind::Interrupted).context("an armed fault cut the connection"));
            }
            Some(Wire::Silent) => return pending().await,
            Some(Wire::Last) | None => {}
        }
        let (head, body) = response.into_parts();
        if is_head {
            return Ok(Response::from_parts(head, Body::from("")));
        }
        let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let body = Whole { body, left: announced }
            .map_err(|error| Error::new(ErrorKind::Interrupted).context("inside the response body").caused_by(error));
        Ok(Response::from_parts(head, Body::new(body)))
    }
}

/// A body with its announced length, which a transport would check.
struct Whole {
    body: axum::body::Body,
    left: Option<u64>,
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let came = frame.data_ref().map_or(0, Bytes::len);
                let came = u64::try_from(came).unwrap_or(u64::MAX);
                self.left = self.left.map(|left| left.saturating_sub(came));
            }
            None if self.left.take().is_some_and(|left| left > 0) => {
                let short = io::Error::other("the body ended before the length that was announced");
                return Poll::Ready(Some(Err(axum::Error::new(short))));
            }
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
