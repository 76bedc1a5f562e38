//! A body that comes slowly, or not to its end.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{Clock, clock::Sleep};
use http_body::{Body, Frame};

/// A body that comes slowly, or not to its end.
pub(crate) struct SlowBody {
    rest: Bytes,
    /// The bytes of one chunk, and the pause before it.
    piece: usize,
    each: Duration,
    waiting: Option<Sleep>,
    clock: Arc<dyn Clock>,
    breaks: bool,
}

impl SlowBody {
    pub(crate) fn byte_by_byte(whole: Bytes, each: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { rest: whole, piece: 1, each, waiting: None, clock, breaks: false }
    }

    pub(crate) fn broken_after(part: Bytes, clock: Arc<dyn Clock>) -> Self {
        Self { breaks: true, ..Self::ending_after(part, clock) }
    }

    /// The whole body at once, without an announced length.
    pub(crate) fn unannounced(whole: Bytes, clock: Arc<dyn Clock>) -> Self {
        Self::ending_after(whole, clock)
    }

    pub(crate) fn ending_after(part: Bytes, clock: Arc<dyn Clock>) -> Self {
        Self { rest: part, piece: usize::MAX, each: Duration::ZERO, waiting: None, clock, breaks: false }
    }
}

impl Body for SlowBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.rest.is_empty() {
            let broken = || Err(io::Error::other("the connection was cut in the middle of the body"));
            return Poll::Ready(std::mem::take(&mut self.breaks).then(broken));
        }
        if !self.each.is_zero() {
            let (clock, each) = (Arc::clone(&self.clock), self.each);
            let waiting = self.waiting.get_or_insert_with(|| clock.sleep(each));
            ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        }
        let piece = self.piece.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }
}
