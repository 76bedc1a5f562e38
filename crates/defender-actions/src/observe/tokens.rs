//! The report of token requests.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use defender_transport::{Clock, ErrorKind, SendFuture, Transport};
use http::Request;

use crate::{Observer, observe::TokenRequestEnded};

/// Layer that reports each token request. The body of the response is read beneath it.
pub(crate) struct ObserveTokens<T> {
    inner: T,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

impl<T> ObserveTokens<T> {
    pub(crate) fn new(inner: T, clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Self {
        Self { inner, clock, observer }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for ObserveTokens<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let exchange = self.inner.send(request);
        Box::pin(async move {
            let report = TokenReport::begin(self);
            let response = exchange.await;
            match &response {
                Ok(response) => report.ended(Some(response.status().as_u16()), None),
                Err(error) => {
                    report.ended(error.response_status().map(|status| status.as_u16()), Some(error.kind()));
                }
            }
            response
        })
    }
}

/// Report of a token request in progress. A request that is dropped is reported, too.
struct TokenReport<'a> {
    observer: &'a dyn Observer,
    clock: &'a dyn Clock,
    began: Duration,
    is_over: bool,
}

impl<'a> TokenReport<'a> {
    fn begin<T>(layer: &'a ObserveTokens<T>) -> Self {
        let (observer, clock) = (&*layer.observer, &*layer.clock);
        Self { observer, clock, began: clock.elapsed(), is_over: false }
    }

    fn ended(mut self, status: Option<u16>, error: Option<ErrorKind>) {
        self.report(status, error);
    }

    fn report(&mut self, status: Option<u16>, error: Option<ErrorKind>) {
        // Before the observer is called, which may panic.
        self.is_over = true;
        let duration = self.clock.elapsed().saturating_sub(self.began);
        self.observer.token_request_ended(&TokenRequestEnded { status, error, duration });
    }
}

impl Drop for TokenReport<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.report(None, None);
        }
    }
}

impl<T> std::fmt::Debug for ObserveTokens<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObserveTokens").finish_non_exhaustive()
    }
}
