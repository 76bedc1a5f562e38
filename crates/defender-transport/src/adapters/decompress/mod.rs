//! Bodies that come compressed, asked for or not.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use http::{
    HeaderMap, Request, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH},
};
use http_body::{Body as HttpBody, Frame};

use super::deadline::{Codec, Deadline};
use crate::{Body, Clock, Error, ErrorKind, Transport, transport::SendFuture};

/// Decodes a body that comes as gzip or as deflate, in both forms that go by that name.
///
/// `deflate` means a zlib stream by the standard, and a bare deflate stream by some servers; the first two bytes tell
/// which. A server may compress without being asked to, so this looks at every response.
///
/// It is decoded as it is read, never more than 16 KiB ahead, so a body that grows without end is stopped by the
/// reader's own limit. A body that ends before its compression does is an error, not a short body, and so is one that breaks
/// after it. Several encodings on top of each other are taken off one after the other, up to three. A body with one that is
/// not known here is returned unchanged, with its header.
#[derive(Debug)]
pub struct Decompressed<T> {
    inner: T,
}

impl<T> Decompressed<T> {
    /// Wraps `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner }
    }

    /// Ends exchanges that take too long, as [`TransportExt::deadline`](crate::TransportExt::deadline) does. One future keeps the time
    /// and decodes: of the 90,000 instructions of a call this saves about 800, and an allocation.
    pub fn deadline(self, clock: impl Clock + 'static) -> Deadline<T> {
        Deadline::new(self.inner, clock).over(Codec { request: ask, response: decode })
    }
}

/// Names the encodings that are known here, unless the request names its own.
fn ask(request: &mut Request<Bytes>) {
    let coding = request.headers_mut().entry(ACCEPT_ENCODING);
    coding.or_insert_with(|| http::HeaderValue::from_static("gzip, deflate"));
}

/// Takes the encodings off the body, as it is read.
fn decode(response: &mut Response<Body>) {
    let Some(codings) = Coding::all_of(response.headers()) else { return };
    // Both speak of the compressed form.
    response.headers_mut().remove(CONTENT_ENCODING);
    response.headers_mut().remove(CONTENT_LENGTH);
    // They are named in the order in which they were put on.
    for coding in codings.into_iter().rev() {
        let body = std::mem::take(response.body_mut());
        *response.body_mut() = Body::new(Inflating::new(body, coding));
    }
}

/// Number of bytes that are decoded at a time.
const PIECE: usize = 16 << 10;
/// Number of encodings that may lie on top of each other.
const MOST: usize = 3;
/// Number of bytes that may follow the end of the compression; they are read and dropped.
const PADDING: usize = 64 << 10;

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Decompressed<T> {
    fn send<'a, 'f>(&'a self, mut request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        ask(&mut request);
        let exchange = self.inner.send(request);
        Box::pin(async move {
            let mut outcome = exchange.await;
            if let Ok(response) = &mut outcome {
                decode(response);
            }
            outcome
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// The encodings of a body; `None` if the body has no encoding, or one that is not known here.
    fn all_of(headers: &HeaderMap) -> Option<Vec<Self>> {
        let mut codings = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            for word in value.to_str().ok()?.split(',').map(str::trim) {
                match word {
                    _ if word.is_empty() || word.eq_ignore_ascii_case("identity") => {}
                    _ if word.eq_ignore_ascii_case("gzip") || word.eq_ignore_ascii_case("x-gzip") => {
                        codings.push(Self::Gzip);
                    }
                    _ if word.eq_ignore_ascii_case("deflate") => codings.push(Self::Deflate),
                    _ => return None,
                }
            }
        }
        (1..=MOST).contains(&codings.len()).then_some(codings)
    }

    /// The decoder for a stream that begins with `start`; `None` while too little of it is here to tell.
    fn decoder(self, start: &[u8], ended: bool) -> Option<Decompress> {
        match (self, start) {
            (Self::Gzip, _) => Some(Decompress::new_gzip(15)),
            // RFC 1950: the method is 8, and the first two bytes are a multiple of 31.
            (Self::Deflate, &[method, flags, ..]) => {
                let zlib = method & 0x0f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0;
                Some(Decompress::new(zlib))
            }
            (Self::Deflate, _) => ended.then(|| Decompress::new(false)),
        }
    }
}

/// A body under decoding.
struct Inflating {
    body: Body,
    coding: Coding,
    decoder: Option<Decompress>,
    /// Bytes that came and are not decoded yet.
    input: Bytes,
    /// The compressed body has no more bytes.
    ended: bool,
    /// A compressed stream has ended, and this much came after it that begins no other.
    over: Option<usize>,
    done: bool,
}

impl Inflating {
    fn new(body: Body, coding: Coding) -> Self {
        Self { body, coding, decoder: None, input: Bytes::new(), ended: false, over: None, done: false }
    }

    /// Decodes one piece of the input. `None` asks for more input.
    fn step(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(padding) = self.over {
            // A gzip file may have several members, one directly after the other (RFC 1952, 2.2). After other bytes no member begins: where
            // the pieces of a body are cut would decide otherwise.
            let may_follow = self.coding == Coding::Gzip && padding == 0;
            match &*self.input {
                [0x1f, 0x8b, ..] if may_follow => (self.decoder, self.over) = (None, None),
                [0x1f] if may_follow && !self.ended => return Ok(None),
                rest => {
                    let padding = padding.saturating_add(rest.len());
                    if padding > PADDING {
                        return Err(Error::new(ErrorKind::Decode).context("more follows the end of its compression"));
                    }
                    (self.over, self.input) = (Some(padding), Bytes::new());
                    return Ok(None);
                }
            }
        }
        if self.decoder.is_none() {
            self.decoder = self.coding.decoder(&self.input, self.ended);
        }
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        let mut piece = Vec::with_capacity(PIECE);
        let before = decoder.total_in();
        let status = decoder
            .decompress_vec(&self.input, &mut piece, FlushDecompress::None)
            .map_err(|source| Error::new(ErrorKind::Decode).context("its compression is broken").caused_by(source))?;
        let read = usize::try_from(decoder.total_in().saturating_sub(before)).unwrap_or(usize::MAX);
        self.input.advance(read.min(self.input.len()));
        if status == Status::StreamEnd {
            // The body is read to its own end, so that its connection can be used again.
            self.over = Some(0);
        }
        Ok(Some(piece).filter(|piece| !piece.is_empty()).map(Bytes::from))
    }
}

impl HttpBody for Inflating {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if self.done {
                return Poll::Ready(None);
            }
            let waiting = self.input.len();
            match self.step() {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(None) if self.input.len() < waiting => continue,
                Ok(None) => {}
                Err(error) => {
                    self.done = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            if self.ended {
                self.done = true;
                // No bytes at all is an empty body: a 204 may carry the header of the server's habit.
                let nothing =
                    self.decoder.as_ref().is_none_or(|decoder| decoder.total_in() == 0) && self.input.is_empty();
                if nothing || self.over.is_some() {
                    return Poll::Ready(None);
                }
                let error = Error::new(ErrorKind::Interrupted).context("a compressed body ends before its end");
                return Poll::Ready(Some(Err(error)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.input = if self.input.is_empty() { data } else { [&*self.input, &*data].concat().into() };
                    }
                }
                Some(Err(error)) => {
                    self.done = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.ended = true,
            }
        }
    }
}

impl fmt::Debug for Inflating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflating").field("coding", &self.coding).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
