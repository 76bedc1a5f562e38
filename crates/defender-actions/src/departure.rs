//! When a request really went off.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use defender_transport::{Body, Clock, Error, Transport};
use http::{Request, Response};
use jiff::Timestamp;

/// When the last try of a call went off, noted by [`Departing`]. It travels in the request's extensions.
///
/// A call may wait in a queue for minutes, and whether an action is older than the sending must not be measured from the time
/// at which its caller began to wait. Of what must not be sent twice, every try but the last was certainly never processed, so
/// that the last is the one that counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departure(Arc<Mutex<Option<Timestamp>>>);

impl Departure {
    /// When the last try went off, on our clock; `None` where none did.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

/// Notes the departure of each request that wants it noted. It stands right above the wire.
#[derive(Debug)]
pub(crate) struct Departing<T> {
    inner: T,
    clock: Arc<dyn Clock>,
}

impl<T> Departing<T> {
    pub(crate) fn new(inner: T, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

/// What [`Transport::send`] returns once `async_trait` has rewritten it.
type Sending<'f> = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send + 'f>>;

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Departing<T> {
    // Written out, so that the request is handed on and no future is made for it here.
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> Sending<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        if let Some(departure) = request.extensions().get::<Departure>() {
            departure.note(self.clock.now());
        }
        self.inner.send(request)
    }
}
