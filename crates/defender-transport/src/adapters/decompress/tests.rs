use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use futures_util::FutureExt;
use http::Response;

use super::*;
use crate::testing::{ManualClock, MockTransport};

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
    let mut transport = MockTransport::new();
    transport.expect_send().return_once(move |_| {
        Ok(Response::builder().header(CONTENT_ENCODING, coding).header(CONTENT_LENGTH, 1).body(body).unwrap())
    });
    let request = Request::get("https://example.com/").body(Bytes::new()).unwrap();
    let response = Decompressed::new(transport).send(request).now_or_never().unwrap().unwrap();
    assert!(!response.headers().contains_key(CONTENT_LENGTH), "it is the length of the compressed form");
    response.into_body().collect(limit).now_or_never().unwrap()
}

#[test]
fn gzip_and_deflate_are_decoded_bytewise_too() {
    let plain = "A response that nobody asked to be compressed. ".repeat(2_000);
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

/// The body is the same wherever its pieces are cut.
#[test]
fn nothing_follows_padding() {
    let [(_, hello), ..] = forms(b"hello");
    for padding in [&b"\0"[..], b"\0\0\0", b"\x1f", b"\x1f\0"] {
        let all = Bytes::from([&hello, padding, &hello].concat());
        for cut in 0..=all.len() {
            let pieces = vec![all.slice(..cut), all.slice(cut..)];
            let body = read("gzip", Body::new(ChunkedBody(pieces, false)), 1 << 20);
            assert_eq!(body.unwrap(), "hello", "{padding:?}, {cut}");
        }
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
        coding.iter().fold(Response::builder(), |head, coding| head.header(CONTENT_ENCODING, *coding)).body(()).unwrap()
    };
    assert_eq!(Coding::all_of(lines(&["gzip", "deflate"]).headers()), Some(vec![Coding::Gzip, Coding::Deflate]));
    for unknown in [&["br"][..], &["gzip", "br"], &["gzip, zstd"], &["identity"], &[], &["gzip, gzip, gzip, gzip"]] {
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

#[test]
fn deadline_above_decodes_too() {
    let plain = "A response that nobody asked to be compressed. ".repeat(100);
    for (coding, packed) in forms(plain.as_bytes()) {
        let mut transport = MockTransport::new();
        let asks = |request: &Request<Bytes>| request.headers()[ACCEPT_ENCODING] == "gzip, deflate";
        transport.expect_send().withf(asks).return_once(move |_| {
            Ok(Response::builder().header(CONTENT_ENCODING, coding).body(packed.into()).unwrap())
        });
        let transport = Decompressed::new(transport).deadline(ManualClock::new());
        let request = Request::get("https://example.com/").body(Bytes::new()).unwrap();
        let response = transport.send(request).now_or_never().unwrap().unwrap();
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
        assert_eq!(response.into_body().collect(1 << 20).now_or_never().unwrap().unwrap(), plain, "{coding}");
    }
}
