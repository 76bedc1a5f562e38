//! When the attempts of a request really left, and when the head of the last response came.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use defender_transport::{Clock, SendFuture, Transport};
use http::Request;

use crate::client::service_clock::Moment;

/// When the attempts of a call left, noted by [`RecordSendTimes`]. It travels in the request's extensions.
///
/// A call may wait in a queue for minutes, and whether an action is older than the submission must not be measured from the
/// time at which its caller began to wait. It is measured from the first attempt, also where that one was refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendTimes(Arc<Mutex<Times>>);

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    first: Option<Moment>,
    departed: Option<Moment>,
    answered: Option<Moment>,
}

impl SendTimes {
    /// When the first attempt left; `None` where none did.
    pub(crate) fn first(&self) -> Option<Moment> {
        self.times().first
    }

    /// When the last attempt left; `None` where none did.
    pub(crate) fn last(&self) -> Option<Moment> {
        self.times().departed
    }

    /// When the head of its response came, before the body; `None` where none did.
    pub(crate) fn answered(&self) -> Option<Moment> {
        self.times().answered
    }

    /// Forgets the attempts, before another request is sent.
    pub(crate) fn forget(&self) {
        *self.times() = Times::default();
    }

    /// Notes that an attempt left.
    pub(crate) fn left(&self, at: Moment) {
        let mut times = self.times();
        *times = Times { first: times.first.or(Some(at)), departed: Some(at), answered: None };
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the departure of each request that wants it noted, and the coming of its answer. It stands right above the wire.
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
    // Written out, so that what wants nothing noted is handed on and no future is made for it here.
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let Some(departure) = request.extensions().get::<SendTimes>().cloned() else { return self.inner.send(request) };
        departure.left(Moment::now(&*self.clock));
        let sending = self.inner.send(request);
        Box::pin(async move {
            let answer = sending.await;
            if answer.is_ok() {
                departure.times().answered = Some(Moment::now(&*self.clock));
            }
            answer
        })
    }
}
