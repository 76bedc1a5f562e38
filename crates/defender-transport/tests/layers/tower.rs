//! The bridge to `tower`, in both directions.
#![cfg(all(feature = "testing", feature = "tower"))]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{
    convert::Infallible,
    error::Error as StdError,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use defender_transport::{
    Body, Error, ErrorKind, TowerService, TowerTransport, Transport, TransportExt,
    testing::{Capture, Fault, Faulty, ManualClock},
};
use futures_util::{FutureExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type BoxError = Box<dyn StdError + Send + Sync>;

fn post() -> Request<Bytes> {
    Request::post("https://api.example/things").body(Bytes::from_static(b"a body")).unwrap()
}

fn send(transport: &impl Transport) -> Result<Response<Body>, Error> {
    transport.send(post()).now_or_never().unwrap()
}

/// A service that fails each call, and counts the calls.
fn failing(calls: &Arc<AtomicUsize>) -> TowerTransport<impl Refuses, Full<Bytes>> {
    let calls = Arc::clone(calls);
    TowerTransport::new(service_fn(move |_: Request<Full<Bytes>>| {
        calls.fetch_add(1, Ordering::SeqCst);
        async { Err::<Response<Full<Bytes>>, _>(io::Error::other("the network is down")) }
    }))
}

trait Refuses:
    Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = io::Error, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Refuses for S where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = io::Error, Future: Send>
        + Clone
        + Send
        + 'static
{
}

#[tokio::test]
async fn transport_works_beneath_tower_layers() {
    let server = Capture::answering(Response::builder().status(201).body("made").unwrap());
    let service = ServiceBuilder::new().buffer(4).concurrency_limit(1).service(TowerService::new(server.clone()));
    let transport = TowerTransport::new(service);
    let response = transport.send(post()).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.into_body().collect(16).await.unwrap(), "made");
    assert_eq!(server.only_request().body(), "a body");
}

#[test]
fn shared_transport_is_a_service_too() {
    let server = Capture::answering(Response::new(""));
    let service = TowerService::new(server.clone().shared());
    for _ in 0..2 {
        assert!(service.clone().oneshot(post()).now_or_never().unwrap().is_ok());
    }
    assert_eq!(server.requests().len(), 2);
    assert!(format!("{service:?}").starts_with("TowerService("));
}

#[test]
fn own_error_passes_through_layers_unchanged() {
    for (fault, never_sent) in
        [(Fault::ErrorBefore(ErrorKind::Connect), true), (Fault::ErrorAfter(ErrorKind::Connect), false)]
    {
        let inner = Faulty::scripted(Capture::answering(Response::new("")), [fault]);
        // The layer boxes errors, as most do.
        let service = ServiceBuilder::new().load_shed().service(TowerService::new(inner));
        let error = send(&TowerTransport::<_, Bytes>::new(service)).unwrap_err();
        assert_eq!(error.never_sent(), never_sent, "{error:?}");
    }
}

#[test]
fn foreign_error_of_a_call_leaves_the_outcome_open() {
    let calls = Arc::default();
    let transport = failing(&calls);
    let error = send(&transport).unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false));
    assert!(format!("{error:#}").contains("the network is down"), "{error:#}");
    let retrying = transport.retrying(ManualClock::new());
    assert!(send(&retrying).is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 2, "a POST was sent again");
}

/// A service that is never ready.
#[derive(Clone)]
struct Unready;

impl Service<Request<Full<Bytes>>> for Unready {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Err("overloaded".into()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        std::future::ready(Ok(Response::new(Full::default())))
    }
}

#[test]
fn unready_service_is_sent_nothing() {
    let error = send(&TowerTransport::new(Unready)).unwrap_err();
    assert!(error.never_sent() && format!("{error:#}").contains("overloaded"), "{error:#}");
}

#[test]
fn broken_body_of_a_service_is_an_error() {
    let service = service_fn(|_: Request<Full<Bytes>>| async {
        let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(io::Error::other("reset"))];
        Ok::<_, Infallible>(Response::new(StreamBody::new(stream::iter(frames))))
    });
    let body = send(&TowerTransport::new(service)).unwrap().into_body();
    let error = body.collect(16).now_or_never().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false));
}
