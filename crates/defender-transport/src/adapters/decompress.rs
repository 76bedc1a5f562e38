//! Bodies that come compressed, asked for or not.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use http::{
    HeaderMap, Request,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH},
};
use http_body::{Body as HttpBody, Frame};

use crate::{Body, Error, ErrorKind, Transport, transport::SendFuture};

/// Decodes a body that comes as gzip or as deflate, in both forms that go by that name.
///
/// `deflate` means a zlib stream by the standard, and a bare deflate stream by some servers; the first two bytes tell
/// which. A server may compress without being asked to, so this looks at every response.
///
/// It is decoded as it is read, never more than 16 KiB ahead, so a body that grows without end is stopped by the
/// reader's own limit. A body that ends before its compression does is an error, not a short body, and so is one that breaks
/// after it. Several encodings on top of each other are taken off one after the other, up to three. A body with one that is
/// not known here is handed on as it came, with its header.
#[derive(Debug)]
pub struct Decompressed<T> {
    inner: T,
}

impl<T> Decompressed<T> {
    /// Wraps `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner }
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
        let coding = request.headers_mut().entry(ACCEPT_ENCODING);
        coding.or_insert_with(|| http::HeaderValue::from_static("gzip, deflate"));
        let exchange = self.inner.send(request);
        Box::pin(async move {
            let mut outcome = exchange.await;
            let Ok(answer) = &mut outcome else { return outcome };
            let Some(codings) = Coding::all_of(answer.headers()) else { return outcome };
            // Both speak of the compressed form.
            answer.headers_mut().remove(CONTENT_ENCODING);
            answer.headers_mut().remove(CONTENT_LENGTH);
            // They are named in the order in which they were put on.
            for coding in codings.into_iter().rev() {
                let body = std::mem::take(answer.body_mut());
                *answer.body_mut() = Body::new(Inflating::new(body, coding));
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
            match (self.coding, &*self.input) {
                // A gzip file may have several members (RFC 1952, 2.2).
                (Coding::Gzip, [0x1f, 0x8b, ..]) => (self.decoder, self.over) = (None, None),
                (Coding::Gzip, [0x1f]) if !self.ended => return Ok(None),
                (_, rest) => {
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
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use futures_util::FutureExt;
    use http::Response;

    use super::*;
    use crate::testing::MockTransport;

    fn forms(plain: &[u8]) -> [(&'static str, Vec<u8>); 3] {
        let (mut gzip, mut zlib, mut raw) = (
            GzEncoder::new(Vec::new(), Compression::default()),
            ZlibEncoder::new(Vec::new(), Compression::default()),
            DeflateEncoder::new(Vec::new(), Compression::default()),
        );
        gzip.write_all(plain).unwrap();
        zlib.write_all(plain).unwrap();
        raw.write_all(plain).unwrap();
        [("gzip", gzip.finish().unwrap()), ("deflate", zlib.finish().unwrap()), ("Deflate", raw.finish().unwrap())]
    }

    /// Comes a byte at a time, the hardest way to tell the forms apart.
    struct Dribble(Bytes);

    impl HttpBody for Dribble {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            let more = !self.0.is_empty();
            Poll::Ready(more.then(|| Ok(Frame::data(self.0.split_to(1)))))
        }
    }

    fn read(coding: &'static str, body: Body, limit: usize) -> Result<Bytes, Error> {
        let mut wire = MockTransport::new();
        wire.expect_send().return_once(move |_| {
            Ok(Response::builder().header(CONTENT_ENCODING, coding).header(CONTENT_LENGTH, 1).body(body).unwrap())
        });
        let request = Request::get("https://example.com/").body(Bytes::new()).unwrap();
        let answer = Decompressed::new(wire).send(request).now_or_never().unwrap().unwrap();
        assert!(!answer.headers().contains_key(CONTENT_LENGTH), "it is the length of the compressed form");
        answer.into_body().collect(limit).now_or_never().unwrap()
    }

    #[test]
    fn gzip_and_deflate_are_decoded_bytewise_too() {
        let plain = "An answer that nobody asked to be compressed. ".repeat(2_000);
        for (coding, packed) in forms(plain.as_bytes()) {
            assert_eq!(read(coding, packed.clone().into(), 1 << 20).unwrap(), plain, "{coding}");
            assert_eq!(read(coding, Body::new(Dribble(packed.into())), 1 << 20).unwrap(), plain, "{coding}");
        }
    }

    #[test]
    fn truncated_compressed_body_is_an_error() {
        for (coding, packed) in forms(b"hello, hello, hello") {
            for cut in 1..packed.len() {
                assert!(read(coding, packed[..cut].to_vec().into(), 1 << 20).is_err(), "{coding} cut at {cut}");
            }
        }
    }

    /// Comes in these pieces, and then breaks or ends.
    struct ChunkedBody(Vec<Bytes>, bool);

    impl HttpBody for ChunkedBody {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            if self.0.is_empty() {
                let breaks = std::mem::take(&mut self.1);
                return Poll::Ready(breaks.then(|| Err(Error::new(ErrorKind::Interrupted))));
            }
            Poll::Ready(Some(Ok(Frame::data(self.0.remove(0)))))
        }
    }

    #[test]
    fn gzip_members_are_one_body() {
        let [(_, hello), ..] = forms(b"hello, ");
        let [(_, world), ..] = forms(b"world");
        let both = Bytes::from([hello, world].concat());
        for cut in 0..=both.len() {
            let pieces = vec![both.slice(..cut), both.slice(cut..)];
            assert_eq!(read("gzip", Body::new(ChunkedBody(pieces, false)), 1 << 20).unwrap(), "hello, world", "{cut}");
        }
        assert_eq!(read("gzip", Body::new(Dribble(both)), 1 << 20).unwrap(), "hello, world");
    }

    #[test]
    fn trailing_garbage_after_compression_is_dropped() {
        for (coding, packed) in forms(b"hello") {
            for padding in [vec![], vec![0], vec![0x1f], vec![0x1f, 0], vec![0; 1 << 10]] {
                let pieces = || vec![Bytes::from(packed.clone()), padding.clone().into()];
                let whole = [packed.clone(), padding.clone()].concat();
                assert_eq!(read(coding, whole.into(), 1 << 20).unwrap(), "hello", "{coding}, {padding:?}");
                assert_eq!(read(coding, Body::new(ChunkedBody(pieces(), false)), 1 << 20).unwrap(), "hello");
                let broken = read(coding, Body::new(ChunkedBody(pieces(), true)), 1 << 20).unwrap_err();
                assert_eq!(broken.kind(), ErrorKind::Interrupted, "{coding}, {padding:?}");
            }
            let pieces = std::iter::once(Bytes::from(packed)).chain(vec![Bytes::from(vec![0; 1 << 10]); 1 << 10]);
            let endless = read(coding, Body::new(ChunkedBody(pieces.collect(), false)), 1 << 20).unwrap_err();
            assert_eq!(endless.kind(), ErrorKind::Decode, "{coding}");
        }
    }

    #[test]
    fn stacked_encodings_are_decoded_in_order() {
        let plain = "{\"id\":1}".repeat(500);
        let [(_, gzip), (_, zlib), _] = forms(plain.as_bytes());
        let [(_, twice), ..] = forms(&gzip);
        let [(_, mixed), ..] = forms(&zlib);
        for (coding, packed) in [
            ("gzip, gzip", twice.clone()),
            ("gzip,GZIP", twice.clone()),
            ("identity, gzip", gzip.clone()),
            ("deflate, x-gzip", mixed),
            ("", plain.clone().into_bytes()),
        ] {
            let read =
                if coding.is_empty() { Ok(Bytes::from(plain.clone())) } else { read(coding, packed.into(), 1 << 20) };
            assert_eq!(read.unwrap(), plain, "{coding}");
        }
        let lines = |coding: &[&str]| {
            coding
                .iter()
                .fold(Response::builder(), |head, coding| head.header(CONTENT_ENCODING, *coding))
                .body(())
                .unwrap()
        };
        assert_eq!(Coding::all_of(lines(&["gzip", "deflate"]).headers()), Some(vec![Coding::Gzip, Coding::Deflate]));
        for unknown in [&["br"][..], &["gzip", "br"], &["gzip, zstd"], &["identity"], &[], &["gzip, gzip, gzip, gzip"]]
        {
            assert_eq!(Coding::all_of(lines(unknown).headers()), None, "{unknown:?}");
        }
    }

    #[test]
    fn compression_bomb_stops_at_reader_limit() {
        for (coding, packed) in forms(&vec![0; 4 << 20]) {
            assert_eq!(read(coding, packed.into(), 1 << 20).unwrap_err().kind(), ErrorKind::TooLarge);
        }
    }

    #[test]
    fn garbage_fails_and_empty_stays_empty() {
        assert_eq!(read("gzip", Body::from("<html>"), 1 << 20).unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(read("deflate", Body::empty(), 1 << 20).unwrap(), "");
    }
}
