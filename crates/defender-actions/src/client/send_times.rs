//! Send times of the attempts of a request, and the time of the last response.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use defender_transport::{Clock, SendFuture, Transport};
use http::Request;

use crate::client::service_clock::Moment;

/// Send times of the attempts of a call, in the extensions of its request. [`RecordSendTimes`] records them.
///
/// A call may wait in a queue for minutes. So the age of an action is compared with the first attempt, even if that attempt was
/// refused, and not with the time at which the caller began to wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendTimes(Arc<Mutex<Times>>);

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    first: Option<Moment>,
    last: Option<Moment>,
    responded: Option<Moment>,
}

impl SendTimes {
    /// Returns the send time of the first attempt; `None` if none was sent.
    pub(crate) fn first(&self) -> Option<Moment> {
        self.times().first
    }

    /// Returns the send time of the last attempt; `None` if none was sent.
    pub(crate) fn last(&self) -> Option<Moment> {
        self.times().last
    }

    /// Returns the time at which the head of the response to the last attempt came; `None` if none came.
    pub(crate) fn responded(&self) -> Option<Moment> {
        self.times().responded
    }

    /// Clears the times, before another request is sent.
    pub(crate) fn forget(&self) {
        *self.times() = Times::default();
    }

    /// Records that an attempt was sent.
    pub(crate) fn left(&self, at: Moment) {
        let mut times = self.times();
        *times = Times { first: times.first.or(Some(at)), last: Some(at), responded: None };
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Layer that records the send time of a request with [`SendTimes`], and the time of its response. It is the layer next to the
/// transport.
#[derive(Debug)]
pub(crate) struct RecordSendTimes<T> {
    inner: T,
    clock: Arc<dyn Clock>,
}

impl<T> RecordSendTimes<T> {
    pub(crate) fn new(inner: T, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for RecordSendTimes<T> {
    // Written out, so that a request without `SendTimes` is handed on without a future of this layer.
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let Some(times) = request.extensions().get::<SendTimes>().cloned() else { return self.inner.send(request) };
        times.left(Moment::now(&*self.clock));
        let exchange = self.inner.send(request);
        Box::pin(async move {
            let response = exchange.await;
            if response.is_ok() {
                times.times().responded = Some(Moment::now(&*self.clock));
            }
            response
        })
    }
}
