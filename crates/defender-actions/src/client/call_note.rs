//! Facts about a call that the facade shares with its own layers.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use defender_transport::{Body, Error, extensions};
use http::{Request, Response, StatusCode};

use crate::client::{
    response_author::{Author, Content},
    scrub::Bearer,
    service_clock::Moment,
};

/// Facts about a call, for the facade and its own layers: the note of its request. A second request of the same submission has
/// the same note.
#[derive(Debug, Default)]
pub(crate) struct CallNote {
    /// Body of a successful response.
    pub(crate) content: Content,
    pub(crate) send_times: SendTimes,
    maybe_processed: AtomicBool,
    /// The service wrote the last response, for certain.
    is_from_service: AtomicBool,
    /// Header with the token of the last attempt with a response. It is not an extension of the response, which would cost a call
    /// three allocations.
    bearer: Mutex<Option<Bearer>>,
}

impl CallNote {
    /// Creates the note of a call whose successful response has this body.
    pub(crate) fn expecting(content: Content) -> Arc<Self> {
        Arc::new(Self { content, ..Self::default() })
    }

    /// Returns the note of a request of the facade.
    pub(crate) fn of(request: &Request<Bytes>) -> Option<Arc<Self>> {
        extensions::note(request)
    }

    /// Returns whether the service may have processed an attempt of the call.
    pub(crate) fn maybe_processed(&self) -> bool {
        self.maybe_processed.load(Ordering::Acquire)
    }

    /// Returns whether the service wrote the last response, for certain: it is [`Author::Service`].
    pub(crate) fn is_from_service(&self) -> bool {
        self.is_from_service.load(Ordering::Acquire)
    }

    /// Records the author of a response.
    pub(crate) fn set_author(&self, author: Author) {
        self.is_from_service.store(author == Author::Service, Ordering::Release);
    }

    /// Returns the header with the token of the last attempt with a response, and forgets it.
    pub(crate) fn take_bearer(&self) -> Option<Bearer> {
        self.bearer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Records the header with the token of an attempt with a response.
    pub(crate) fn set_bearer(&self, bearer: Option<Bearer>) {
        *self.bearer.lock().unwrap_or_else(PoisonError::into_inner) = bearer;
    }

    /// Records the outcome of an attempt: the service may have processed it, unless it refused the attempt or never received it.
    pub(crate) fn record(&self, outcome: &Result<Response<Body>, Error>) {
        let status = match outcome {
            Ok(response) => Some(response.status()),
            Err(error) if error.never_sent() => return,
            Err(error) => error.response_status(),
        };
        let refused = status.is_some_and(|status| status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT);
        if !refused {
            self.maybe_processed.store(true, Ordering::Release);
        }
    }
}

/// Send times of the attempts of a call, and the time of the last response. Two layers record them.
///
/// A call may wait in a queue for minutes. So the age of an action is compared with the first attempt, even if that attempt was
/// refused, and not with the time at which the caller began to wait.
#[derive(Debug, Default)]
pub(crate) struct SendTimes(Mutex<Times>);

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

    /// Records that an attempt was sent.
    pub(crate) fn left(&self, at: Moment) {
        let mut times = self.times();
        *times = Times { first: times.first.or(Some(at)), last: Some(at), responded: None };
    }

    /// Records that the head of a response came.
    pub(crate) fn answered(&self, at: Moment) {
        self.times().responded = Some(at);
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
