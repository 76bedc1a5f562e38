//! Properties of each decoder, for any bytes. The fuzz targets check them on new inputs, `tests/layers/corpus.rs` on the corpus.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Body, Clock, Error, ErrorKind, Redirects, Transport, TransportExt,
    extensions::{Attempts, Read},
    retry_after,
    testing::{Capture, ManualClock},
};
use futures_util::StreamExt;
use http::{HeaderName, HeaderValue, Request, Response, header::RETRY_AFTER};
use http_body::{Body as HttpBody, Frame};

/// Limits of the default policy: attempts, and the time of a call.
const ATTEMPTS: u32 = 5;
const TOTAL: Duration = Duration::from_secs(300);
/// Redirects that are followed.
const HOPS: u8 = 2;
/// Longest wait that a date asks for.
const DAY: Duration = Duration::from_secs(86_400);
/// Limit of a body.
const LIMIT: usize = 1 << 20;
/// Most bytes that are decoded at a time.
const PIECE: usize = 16 << 10;

/// Responses of a server, with a line of `---` between two; the last one is repeated.
///
/// A call takes five minutes and five attempts at most, and a redirect never leaves the host. A date in `Retry-After` asks for a day at
/// most.
pub fn responses(input: &[u8]) {
    let answers: Vec<_> = split(input, b"\n---\n").into_iter().map(message).collect();
    let clock = ManualClock::new();
    for answer in &answers {
        let asked = retry_after(answer.headers(), clock.now());
        let is_number =
            |value: &HeaderValue| value.as_bytes().iter().all(|byte| matches!(byte, b'0'..=b'9' | b' ' | b'\t'));
        let of_numbers = answer.headers().get_all(RETRY_AFTER).iter().any(is_number);
        assert!(of_numbers || asked.is_none_or(|asked| asked <= DAY), "{asked:?}");
        assert!(answer.headers().contains_key(RETRY_AFTER) || asked.is_none());
    }
    let number = std::sync::atomic::AtomicUsize::new(0);
    let server = Capture::with(move |_| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let answer = answers.get(number).or(answers.last()).cloned().unwrap_or_default();
        Ok(answer.map(Body::from))
    });
    let transport = server.clone().decompressed().redirected().policy(Redirects::SameHost(HOPS));
    let transport = transport.buffered().retrying(clock.clone());
    let request = Request::get("https://example.com/a/b?c").extension(Read::Whole(LIMIT));
    let request = request.body(Bytes::new()).expect("a request");
    let outcome = run(&clock, transport.send(request));
    assert!(clock.elapsed() <= TOTAL, "the call took {:?}", clock.elapsed());
    let attempts = match &outcome {
        Ok(response) => Attempts::of(response),
        Err(error) => error.attempts(),
    };
    assert!((1..=ATTEMPTS).contains(&attempts), "{attempts} attempts");
    let requests = server.requests();
    let most = attempts * (u32::from(HOPS) + 1);
    assert!(u32::try_from(requests.len()).is_ok_and(|sent| sent <= most), "{} requests", requests.len());
    for request in requests {
        let uri = request.uri();
        assert_eq!(uri.scheme_str(), Some("https"), "{uri}");
        assert_eq!(uri.host().map(str::to_ascii_lowercase).as_deref(), Some("example.com"), "{uri}");
        assert!(uri.port_u16().is_none_or(|port| port == 443), "{uri}");
        assert!(uri.authority().is_none_or(|authority| !authority.as_str().contains('@')), "{uri}");
    }
    if let Ok(response) = outcome {
        let body = response.body().as_whole().expect("the body is buffered");
        assert!(body.len() <= LIMIT);
    }
}

/// A line with the value of `Content-Encoding`, and a body.
///
/// The body is the same in one piece and byte by byte. It is decoded in pieces of 16 KiB at most, and its limit holds.
pub fn compressed(input: &[u8]) {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (coding, body) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    let Ok(coding) = HeaderValue::from_bytes(coding) else { return };
    let whole = decoded(&coding, Body::from(body.to_vec()));
    let dripping = decoded(&coding, Body::new(Dripping(Bytes::copy_from_slice(body))));
    // Of two faults, such as a broken bomb, the pieces decide which one is met first.
    assert_eq!(whole.as_ref().ok(), dripping.as_ref().ok(), "the pieces change the body");
    match whole {
        Ok(body) => assert!(body.len() <= LIMIT),
        Err(error) => {
            let kinds = [ErrorKind::Decode, ErrorKind::Interrupted, ErrorKind::TooLarge];
            assert!(kinds.contains(&error.kind()), "{error}");
            assert!(!error.never_sent(), "{error}");
        }
    }
    let response = received(&coding, Body::from(body.to_vec()));
    let is_decoded = !response.headers().contains_key(http::header::CONTENT_ENCODING);
    let mut pieces = pin!(response.into_body().into_stream());
    let mut length = 0;
    while let Some(Ok(piece)) = poll(pieces.next()) {
        assert!(!is_decoded || piece.len() <= PIECE, "a piece of {} bytes", piece.len());
        length += piece.len();
        if length > LIMIT {
            break;
        }
    }
}

fn decoded(coding: &HeaderValue, body: Body) -> Result<Bytes, Error> {
    poll(received(coding, body).into_body().collect(LIMIT))
}

fn received(coding: &HeaderValue, body: Body) -> Response<Body> {
    let body = std::sync::Mutex::new(Some(body));
    let coding = coding.clone();
    let server = Capture::with(move |_| {
        let body = body.lock().expect("nothing panics here").take().unwrap_or_default();
        Ok(Response::builder().header(http::header::CONTENT_ENCODING, coding.clone()).body(body).expect("a response"))
    });
    let request = Request::get("https://example.com/").body(Bytes::new()).expect("a request");
    poll(server.decompressed().send(request)).expect("the server responds")
}

/// A body that comes byte by byte.
struct Dripping(Bytes);

impl HttpBody for Dripping {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let more = !self.0.is_empty();
        Poll::Ready(more.then(|| Ok(Frame::data(self.0.split_to(1)))))
    }
}

fn split<'i>(mut input: &'i [u8], line: &[u8]) -> Vec<&'i [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = input.windows(line.len()).position(|window| window == line) {
        parts.push(&input[..at]);
        input = &input[at + line.len()..];
    }
    parts.push(input);
    parts
}

/// A response: a line with the status, lines with headers, an empty line, and the body.
fn message(input: &[u8]) -> Response<Bytes> {
    let end = input.windows(2).position(|end| end == b"\n\n");
    let (head, body) = end.map_or((input, &[][..]), |end| (&input[..end], &input[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|status| str::from_utf8(status).ok()?.trim().parse().ok());
    let mut response = Response::new(Bytes::copy_from_slice(body));
    *response.status_mut() = status.unwrap_or_default();
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
        let value = parts.next().and_then(|value| HeaderValue::from_bytes(value.trim_ascii()).ok());
        if let (Some(name), Some(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Runs a future to its end, in the time of the clock.
fn run<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let mut future = pin!(clock.run(future));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Output of a future that does not wait.
fn poll<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
