//! The layer that records the send times of a call's attempts.

use std::sync::Arc;

use bytes::Bytes;
use defender_transport::{Clock, SendFuture, Transport};
use http::Request;

use crate::client::{call_note::CallNote, service_clock::Moment};

/// Layer that records the send time of a request with a [`CallNote`]. It is the layer next to the transport. It needs no future,
/// since [`RejectForeignResponses`](crate::client::foreign_response::RejectForeignResponses) records the response: no layer between
/// the two waits after the head of a response.
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
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        if let Some(note) = CallNote::of(&request) {
            note.send_times.left(Moment::now(&*self.clock));
        }
        self.inner.send(request)
    }
}
