//! Effect of each fault; a seed gives the same faults each time.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use defender_transport::{
    Body, Error, ErrorKind, Transport,
    testing::{Capture, Fault, Faulty},
};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body::Body as _;

const GATEWAY_TIMEOUT: StatusCode = StatusCode::GATEWAY_TIMEOUT;

fn ask() -> Request<Bytes> {
    Request::post("https://example.com/").body(Bytes::new()).unwrap()
}

/// Outcome of one exchange, `None` if it has none, and the number of requests that arrived.
fn befalls(fault: Fault) -> (Option<Result<Response<Body>, Error>>, usize) {
    let server = Capture::answering(Response::new("hello"));
    let response = Faulty::scripted(server.clone(), [fault]).send(ask()).now_or_never();
    (response, server.requests().len())
}

#[test]
fn before_and_after_faults_differ_in_arrival() {
    let (response, arrived) = befalls(Fault::ErrorBefore(ErrorKind::Timeout));
    assert_eq!((response.unwrap().unwrap_err().kind(), arrived), (ErrorKind::Timeout, 0));
    let (response, arrived) = befalls(Fault::ErrorAfter(ErrorKind::Timeout));
    assert_eq!((response.unwrap().unwrap_err().kind(), arrived), (ErrorKind::Timeout, 1));
    let (response, arrived) = befalls(Fault::StatusBefore(GATEWAY_TIMEOUT));
    assert_eq!((response.unwrap().unwrap().status(), arrived), (GATEWAY_TIMEOUT, 0));
    let (response, arrived) = befalls(Fault::StatusAfter(GATEWAY_TIMEOUT));
    assert_eq!((response.unwrap().unwrap().status(), arrived), (GATEWAY_TIMEOUT, 1));
    let (response, arrived) = befalls(Fault::HangBefore);
    assert_eq!((response.is_none(), arrived), (true, 0));
    let (response, arrived) = befalls(Fault::HangAfter);
    assert_eq!((response.is_none(), arrived), (true, 1));
}

#[test]
fn error_after_is_not_never_sent() {
    for kind in [ErrorKind::Connect, ErrorKind::Request, ErrorKind::Credential, ErrorKind::Interrupted] {
        let error = befalls(Fault::ErrorAfter(kind)).0.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false));
    }
}

#[test]
fn body_faults_come_after_given_bytes() {
    for (bytes, text) in [(0, ""), (2, "he"), (5, "hello"), (9, "hello")] {
        for fault in [Fault::TruncateBody(bytes), Fault::StallBody(bytes)] {
            let mut body = befalls(fault).0.unwrap().unwrap().into_body();
            let mut next = || Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
            if !text.is_empty() {
                let Poll::Ready(Some(Ok(frame))) = next() else { panic!("{fault:?}") };
                assert_eq!(frame.into_data().unwrap(), text);
            }
            match next() {
                Poll::Pending => assert_eq!(fault, Fault::StallBody(bytes)),
                Poll::Ready(end) => {
                    assert_eq!(fault, Fault::TruncateBody(bytes));
                    assert_eq!(end.unwrap().unwrap_err().kind(), ErrorKind::Interrupted);
                    assert!(matches!(next(), Poll::Ready(None)), "one error is enough");
                }
            }
        }
    }
}

#[test]
fn scripted_faults_play_in_order() {
    let script = [None, Some(Fault::StatusBefore(GATEWAY_TIMEOUT)), None, None];
    let transport = Faulty::scripted(Capture::answering(Response::new("")), script);
    let statuses: Vec<_> =
        (0..5).map(|_| transport.send(ask()).now_or_never().unwrap().unwrap().status().as_u16()).collect();
    assert_eq!(statuses, [200, 504, 200, 200, 200]);
    assert_eq!(transport.history(), [None, script[1], None, None, None]);
}

#[test]
fn seeded_faults_are_reproducible_and_as_frequent() {
    let faults = [Fault::HangAfter, Fault::StatusBefore(GATEWAY_TIMEOUT)];
    let history = |seed| {
        let transport = Faulty::seeded(Capture::answering(Response::new("")), seed, 5, faults);
        for _ in 0..10_000 {
            drop(transport.send(ask()).now_or_never());
        }
        transport.history()
    };
    let (one, other) = (history(1), history(2));
    assert_eq!(one, history(1));
    assert_ne!(one, other);
    for fault in faults {
        let count = one.iter().filter(|befell| **befell == Some(fault)).count();
        assert!((900..1_100).contains(&count), "{fault:?} came {count} times");
    }
}
