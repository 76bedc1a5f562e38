//! Bodies as hyper has them.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::failure::cause;
use crate::{Error, ErrorKind, extensions::SendState};

/// The body of a request, which is handed to hyper a piece at a time: for one write it gathers what it is handed, and the
/// connection keeps the room that this takes.
pub(super) struct InPieces {
    pub(super) bytes: Bytes,
    /// Until the first piece has left.
    pub(super) state: Option<SendState>,
}

const PIECE: usize = 32 << 10;

impl HttpBody for InPieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.state.take().is_some_and(|state| !state.leave()) {
            return Poll::Ready(Some(Err(io::Error::other("the request was given up before its body left"))));
        }
        let length = self.bytes.len().min(PIECE);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(self.bytes.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

/// A body as hyper gives it, with our error.
pub(crate) struct FromWire(pub(super) Incoming);

impl HttpBody for FromWire {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.0).poll_frame(context).map_err(|source| {
            Error::new(ErrorKind::Interrupted).context("inside the answer's body").caused_by(cause(source))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
