//! Time limits of responses that do not come, or not to an end, on a manual clock.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Body, Clock, Deadline, Error, ErrorKind, Transport, TransportExt,
    clock::Sleep,
    extensions::{Read, Timeouts},
    testing::{Capture, Fault, Faulty, ManualClock, MockTransport, Never},
};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ask() -> Request<Bytes> {
    Request::post("https://user:secret@example.com:8443/?sig=secret").body(Bytes::new()).unwrap()
}

fn ask_within(times: Timeouts) -> Request<Bytes> {
    let mut request = ask();
    request.extensions_mut().insert(times);
    request
}

/// A body that gives one frame each time that a pause is over.
struct Dripping {
    clock: ManualClock,
    pause: Duration,
    frames: usize,
    piece: &'static [u8],
    sleep: Option<Sleep>,
}

impl Dripping {
    fn new(clock: &ManualClock, pause: Duration, frames: usize, piece: &'static [u8]) -> Self {
        Self { clock: clock.clone(), pause, frames, piece, sleep: None }
    }
}

impl HttpBody for Dripping {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.frames == 0 {
            return Poll::Ready(None);
        }
        if this.pause > Duration::ZERO {
            let sleep = this.sleep.get_or_insert_with(|| this.clock.sleep(this.pause));
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            this.sleep = None;
        }
        this.frames -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(this.piece)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A body without end, each frame of which costs a second, and none has to be waited for.
struct Busy(ManualClock, &'static [u8]);

impl HttpBody for Busy {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.advance(seconds(1));
        assert!(self.0.elapsed() < seconds(3_600), "it is never ended");
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.1)))))
    }
}

/// A transport whose response has this body.
fn answering(body: impl HttpBody<Data = Bytes, Error = Error> + Send + 'static) -> MockTransport {
    let mut transport = MockTransport::new();
    transport.expect_send().return_once(move |_| Ok(Response::new(Body::new(body))));
    transport
}

/// Sends, reads the body whole, and says how long it all took.
async fn run(
    clock: &ManualClock,
    transport: &Deadline<impl Transport>,
    request: Request<Bytes>,
) -> (Duration, Result<Bytes, Error>) {
    let begin = clock.elapsed();
    let read = clock.run(async { transport.send(request).await?.into_body().collect(1 << 20).await }).await;
    assert_eq!(clock.sleeping(), 0, "a timer is left behind");
    (clock.elapsed().checked_sub(begin).unwrap(), read)
}

fn timed_out(read: Result<Bytes, Error>, message: &str) {
    let error = read.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), format!("timed out: {message}"));
    assert!(!error.never_sent(), "it may have been processed");
}

#[tokio::test]
async fn missing_head_times_out_after_30s() {
    let clock = ManualClock::new();
    let (took, read) = run(&clock, &Never.deadline(clock.clone()), ask()).await;
    assert_eq!(took, seconds(30));
    timed_out(read, "waiting 30s for the head of the response from example.com:8443");
}

#[tokio::test]
async fn silent_body_ends_at_idle_limit() {
    let clock = ManualClock::new();
    let stalling = Faulty::scripted(Capture::answering(Response::new("hello")), [Fault::StallBody(2)]);
    let (took, read) = run(&clock, &stalling.deadline(clock.clone()), ask()).await;
    assert_eq!(took, seconds(30));
    timed_out(read, "the body from example.com:8443 was silent for 30s");
}

#[tokio::test]
async fn slow_body_is_read_to_its_end() {
    let clock = ManualClock::new();
    let transport = answering(Dripping::new(&clock, seconds(29), 100, b"x")).deadline(clock.clone());
    let (took, read) = run(&clock, &transport, ask()).await;
    assert_eq!((took, read.unwrap().len()), (seconds(2_900), 100));
}

#[tokio::test]
async fn empty_frames_do_not_break_silence() {
    let clock = ManualClock::new();
    for pause in [seconds(7), seconds(30)] {
        let transport = answering(Dripping::new(&clock, pause, usize::MAX, b"")).deadline(clock.clone());
        let (took, read) = run(&clock, &transport, ask()).await;
        assert_eq!(took, seconds(30));
        timed_out(read, "the body from example.com:8443 was silent for 30s");
    }
}

#[tokio::test]
async fn exchange_ends_at_total_limit() {
    let clock = ManualClock::new();
    let within = |total| ask_within(Timeouts::default().total(seconds(total)));

    let (took, read) = run(&clock, &Never.deadline(clock.clone()), within(10)).await;
    assert_eq!(took, seconds(10));
    timed_out(read, "waiting 10s for the head of the response from example.com:8443");

    for (pause, total) in [(10, 95), (10, 100), (40, 20)] {
        let transport = answering(Dripping::new(&clock, seconds(pause), usize::MAX, b"x")).deadline(clock.clone());
        let (took, read) = run(&clock, &transport, within(total)).await;
        assert_eq!(took, seconds(total));
        timed_out(read, &format!("the whole response from example.com:8443 was not there after {total}s"));
    }
}

#[tokio::test]
async fn steady_body_ends_at_total_limit() {
    let clock = ManualClock::new();
    let transport = answering(Busy(clock.clone(), b"x")).deadline(clock.clone());
    let (took, read) = run(&clock, &transport, ask_within(Timeouts::default().total(seconds(60)))).await;
    assert_eq!(took, seconds(60));
    timed_out(read, "the whole response from example.com:8443 was not there after 60s");
}

#[tokio::test]
async fn steady_empty_frames_do_not_break_silence() {
    let clock = ManualClock::new();
    let transport = answering(Busy(clock.clone(), b"")).deadline(clock.clone());
    let (took, read) = run(&clock, &transport, ask()).await;
    // A second for each look, the first of which is before anybody waits.
    assert_eq!(took, seconds(31));
    timed_out(read, "the body from example.com:8443 was silent for 30s");
}

#[tokio::test]
async fn early_body_bytes_are_not_lost() {
    for pieces in [0, 1, 2, 3] {
        let clock = ManualClock::new();
        // None of them waits, and the body does not say which is the last.
        let transport = answering(Dripping::new(&clock, Duration::ZERO, pieces, b"piece")).deadline(clock.clone());
        let response = clock.run(transport.send(ask())).await.unwrap();
        assert_eq!(response.body().is_end_stream(), pieces == 0);
        assert_eq!(response.body().size_hint().lower(), if pieces == 0 { 0 } else { 5 }, "what has been read counts");
        assert_eq!(clock.run(response.into_body().collect(100)).await.unwrap(), "piece".repeat(pieces));
    }
    let clock = ManualClock::new();
    let broken = Faulty::scripted(Capture::answering(Response::new("hello")), [Fault::TruncateBody(0)]);
    let response = clock.run(broken.deadline(clock.clone()).send(ask())).await.unwrap();
    let error = clock.run(response.into_body().collect(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted, "it is told to who reads");
}

#[tokio::test]
async fn stream_has_no_total_limit() {
    let clock = ManualClock::new();
    let transport = answering(Dripping::new(&clock, seconds(20), 500, b"x")).deadline(clock.clone());
    let mut request = ask_within(Timeouts::default().total(seconds(60)));
    request.extensions_mut().insert(Read::Stream);
    let (took, read) = run(&clock, &transport, request).await;
    assert_eq!((took, read.unwrap().len()), (seconds(10_000), 500));
}

#[tokio::test]
async fn zero_time_limit_sends_nothing() {
    let clock = ManualClock::new();
    let server = Capture::answering(Response::new(""));
    let request = ask_within(Timeouts::default().total(Duration::ZERO));
    let error = server.clone().deadline(clock).send(request).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), server.requests().len()), (ErrorKind::Timeout, true, 0));
}

#[tokio::test]
async fn call_limits_override_layer_limits() {
    let clock = ManualClock::new();
    let layer = Timeouts::default().head(seconds(5)).idle(seconds(6));
    let own = Timeouts::default().head(seconds(50));

    let transport = Never.deadline(clock.clone()).times(layer);
    assert_eq!(run(&clock, &transport, ask()).await.0, seconds(5));
    assert_eq!(run(&clock, &transport, ask_within(own)).await.0, seconds(50));

    let silent = || {
        let script = [Fault::StallBody(0), Fault::StallBody(0)];
        Faulty::scripted(Capture::answering(Response::new("hello")), script).deadline(clock.clone())
    };
    let transport = silent().times(layer);
    assert_eq!(run(&clock, &transport, ask_within(own)).await.0, seconds(6));
    assert_eq!(run(&clock, &transport, ask_within(Timeouts::default().idle(seconds(60)))).await.0, seconds(60));

    for (total, took) in [(3, 3), (100, 6)] {
        let transport = silent().times(layer).times(Timeouts::default().total(seconds(total)));
        assert_eq!(
            run(&clock, &transport, ask()).await.0,
            seconds(took),
            "what is set later adds to what was set before"
        );
    }
}

#[tokio::test]
async fn absent_limit_never_ends_a_call() {
    let clock = ManualClock::new();
    let transport = answering(Dripping::new(&clock, seconds(1 << 40), 2, b"x")).deadline(clock.clone());
    let (took, read) = run(&clock, &transport, ask_within(Timeouts::default().idle(Duration::MAX))).await;
    assert_eq!((took, read.unwrap().len()), (seconds(2 << 40), 2));
}

#[tokio::test]
async fn a_slow_reader_breaks_nothing() {
    let clock = ManualClock::new();
    let transport = answering(Dripping::new(&clock, Duration::ZERO, 5, b"x")).deadline(clock.clone());
    let mut body = transport.send(ask()).await.unwrap().into_body();
    for _ in 0..5 {
        clock.advance(seconds(3_600));
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    }
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
}

#[tokio::test]
async fn late_reader_still_gets_arrived_bytes() {
    let clock = ManualClock::new();
    let transport = answering(Dripping::new(&clock, seconds(20), 1, b"x")).deadline(clock.clone());
    let mut body = transport.send(ask()).await.unwrap().into_body();
    assert!(poll(&mut body).is_pending());
    clock.advance(seconds(3_600));
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
}

#[tokio::test]
async fn timed_out_body_is_dropped() {
    /// Tells when it is dropped.
    struct Held(std::sync::Arc<()>);
    impl HttpBody for Held {
        type Data = Bytes;
        type Error = Error;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            let _ = &self.0;
            Poll::Pending
        }
    }
    let clock = ManualClock::new();
    let held = std::sync::Arc::new(());
    let transport = answering(Held(std::sync::Arc::clone(&held))).deadline(clock.clone());
    let mut body = transport.send(ask()).await.unwrap().into_body();
    assert!(poll(&mut body).is_pending());
    clock.advance(seconds(30));
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(_)))));
    assert_eq!(std::sync::Arc::strong_count(&held), 1, "the exchange ends with its time, and not with its reader");
    assert!(matches!(poll(&mut body), Poll::Ready(None)), "one error is enough");
    assert!(body.is_end_stream());
}

#[test]
fn immediate_response_needs_no_timer() {
    let clock = ManualClock::new();
    let transport = Capture::answering(Response::new("hello")).deadline(clock.clone());
    let mut sent = transport.send(ask());
    let response = (&mut sent).now_or_never().unwrap().unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(5));
    let mut body = response.into_body();
    assert!(poll(&mut body).is_ready() && body.is_end_stream());
    assert_eq!(clock.sleeping(), 0);
}

#[test]
fn dropping_at_any_poll_leaves_no_timer() {
    for polls in 0..40 {
        let clock = ManualClock::new();
        let mut transport = MockTransport::new();
        let dripping = Dripping::new(&clock, seconds(3), 9, b"x");
        transport.expect_send().return_once(move |_| Ok(Response::new(Body::new(dripping))));
        let transport = Slow(clock.clone(), transport).deadline(clock.clone());
        let mut call = Box::pin(async { transport.send(ask()).await?.into_body().collect(9).await });
        let mut done = false;
        for _ in 0..polls {
            if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                done = true;
                break;
            }
            clock.advance(seconds(1));
        }
        assert_eq!(done, polls > 30, "{polls}");
        drop(call);
        assert_eq!(clock.sleeping(), 0, "dropped after {polls} polls");
    }
}

/// Takes three seconds to response.
#[derive(Debug)]
struct Slow(ManualClock, MockTransport);

#[async_trait::async_trait]
impl Transport for Slow {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        self.0.sleep(seconds(3)).await;
        self.1.send(request).await
    }
}

fn poll(body: &mut Body) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}
