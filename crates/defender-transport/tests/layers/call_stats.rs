//! Counters of a call.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

use std::time::Duration;

use bytes::Bytes;
use defender_transport::{
    ErrorKind, Transport, TransportExt,
    extensions::{CallStats, RateLimit, RateLimitScope, Shared, Timeouts},
    testing::{Capture, Fault, Faulty, ManualClock},
};
use http::{Request, Response};

const MINUTE: Duration = Duration::from_secs(60);

/// A request with a quota of one call a minute.
fn request(stats: &CallStats) -> Request<Bytes> {
    let limits = vec![RateLimit { calls: 1, per: MINUTE }];
    let scope = RateLimitScope { key: "things".into(), limits: limits.into() };
    Request::get("https://example.com/").extension(scope).extension(stats.clone()).body(Bytes::new()).unwrap()
}

fn counted(stats: &CallStats) -> (u32, u32, Duration) {
    (stats.attempts(), stats.throttled(), stats.queue_wait())
}

fn status(status: u16) -> Response<&'static str> {
    Response::builder().status(status).body("").unwrap()
}

#[tokio::test]
async fn counters_are_of_all_attempts() {
    let clock = ManualClock::new();
    let server = Capture::in_turn([status(429), status(503), status(429), status(200)]);
    let transport = server.paced(clock.clone()).retrying(clock.clone());
    let stats = CallStats::default();
    let response = clock.run(transport.send(request(&stats))).await.unwrap();
    assert_eq!(response.status(), 200);
    // The wait before a retry counts against the window, so that the wait in the queue is a little shorter than three minutes.
    let (attempts, throttled, waited) = counted(&stats);
    assert_eq!((attempts, throttled), (4, 2));
    assert!(waited > MINUTE * 2 && waited < MINUTE * 3, "{waited:?}");
}

#[tokio::test]
async fn calls_have_their_own_counters() {
    let clock = ManualClock::new();
    let transport = Capture::answering(Response::new("")).paced(clock.clone());
    let (first, second) = (CallStats::default(), CallStats::default());
    clock.run(transport.send(request(&first))).await.unwrap();
    clock.run(transport.send(request(&second))).await.unwrap();
    assert_eq!(counted(&first), (1, 0, Duration::ZERO));
    assert_eq!(counted(&second), (1, 0, MINUTE));
}

#[tokio::test]
async fn counters_may_be_shared_extensions() {
    let clock = ManualClock::new();
    let server = Capture::in_turn([status(429), status(200)]);
    let transport = server.paced(clock.clone()).retrying(clock.clone());
    let stats = CallStats::default();
    let (parts, body) = request(&stats).into_parts();
    let request = Request::get(parts.uri).extension(Shared::new(parts.extensions)).body(body).unwrap();
    clock.run(transport.send(request)).await.unwrap();
    assert_eq!((stats.attempts(), stats.throttled()), (2, 1));
}

#[tokio::test]
async fn failed_wait_is_counted() {
    let clock = ManualClock::new();
    // The first call never ends by itself, so it is not known when a place becomes free.
    let server = Faulty::scripted(Capture::answering(Response::new("")), [Fault::HangAfter]);
    let transport = server.paced(clock.clone());
    let stats = CallStats::default();
    let mut late = request(&stats);
    late.extensions_mut().insert(Timeouts::default().total(Duration::from_secs(65)));
    let stalled = transport.send(request(&CallStats::default()));
    let both = futures_util::future::select(stalled, transport.send(late));
    let futures_util::future::Either::Right((late, _)) = clock.run(both).await else { panic!("the first call ended") };
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(counted(&stats), (0, 0, Duration::from_secs(65)));
}

#[tokio::test]
async fn broken_429_is_counted() {
    let clock = ManualClock::new();
    let server = Capture::answering(Response::builder().status(429).body("busy").unwrap());
    let server = Faulty::scripted(server, [Fault::TruncateBody(2)]).buffered();
    let stats = CallStats::default();
    let error = clock.run(server.paced(clock.clone()).send(request(&stats))).await.unwrap_err();
    assert_eq!(error.response_status().unwrap(), 429);
    assert_eq!(counted(&stats), (1, 1, Duration::ZERO));
}
