//! `reqwest` as a transport: what the contract of a transport demands, and the facade over it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind as Kind, Origin,
    auth::{ClientSecretCredential, StaticCredential},
};
use defender_emulator::{Emulator, Fault, Operation};
use defender_transport::{Body, Clock, Error, ErrorKind, Transport, testing::ManualClock};
use http::{Request, Response, StatusCode};
use recipes::reqwest_transport::Reqwest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

fn reqwest() -> Reqwest {
    Reqwest::new(reqwest::Client::builder().no_proxy()).unwrap()
}

fn post(url: &str) -> Request<Bytes> {
    Request::post(url).body(Bytes::from_static(b"{}")).unwrap()
}

/// A server on loopback, and the URL of its root.
async fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

/// Reads the request on this connection and responds with `text`.
async fn respond(connection: &mut TcpStream, text: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"{}") {
        assert_ne!(connection.read_buf(&mut request).await.unwrap(), 0);
    }
    connection.write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn refused_connection_is_never_sent() {
    let (listener, url) = server().await;
    drop(listener);
    let error = reqwest().send(post(&format!("{url}?sig=canary"))).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Connect, true));
    for text in [format!("{error:#}"), format!("{error:?}")] {
        assert!(text.contains("refused") || text.contains("Refused"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn closed_connection_may_have_been_sent() {
    let (listener, url) = server().await;
    let closes = async { respond(&mut listener.accept().await.unwrap().0, "").await };
    let transport = reqwest();
    let (error, ()) = tokio::join!(transport.send(post(&url)), closes);
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false));
}

#[tokio::test]
async fn redirect_is_returned_and_not_followed() {
    let (listener, url) = server().await;
    let responses = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        respond(&mut connection, "HTTP/1.1 307 There\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").await;
        respond(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    };
    let transport = reqwest();
    let response = tokio::select! {
        response = transport.send(post(&url)) => response.unwrap(),
        () = responses => unreachable!("a second request came"),
    };
    let location = response.headers().get("location").map(|location| location.to_str().unwrap());
    assert_eq!((response.status(), location), (StatusCode::TEMPORARY_REDIRECT, Some("/elsewhere")));
}

#[tokio::test]
async fn body_is_read_as_it_arrives() {
    let (listener, url) = server().await;
    let head = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        respond(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc").await;
        connection
    };
    let transport = reqwest();
    let (response, mut connection) = tokio::join!(transport.send(post(&url)), head);
    // The head is there, and the body is not.
    let body = response.unwrap().into_body();
    connection.write_all(b"def").await.unwrap();
    assert_eq!(body.collect(6).await.unwrap(), "abcdef");
}

#[tokio::test]
async fn broken_body_is_an_interruption() {
    let (listener, url) = server().await;
    let breaks = async {
        respond(&mut listener.accept().await.unwrap().0, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc").await;
    };
    let transport = reqwest();
    let (response, ()) = tokio::join!(transport.send(post(&url)), breaks);
    let error = response.unwrap().into_body().collect(6).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false));
}

/// Transport that counts the exchanges that have begun and not ended. Bodies are read inside.
#[derive(Clone, Debug)]
struct Counted {
    inner: Arc<Reqwest>,
    open: Arc<AtomicUsize>,
}

#[async_trait]
impl Transport for Counted {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        self.open.fetch_add(1, Ordering::Relaxed);
        let response = async {
            let (head, body) = self.inner.send(request).await?.into_parts();
            Ok(Response::from_parts(head, Body::from(body.collect(1 << 20).await?)))
        };
        let response = response.await;
        self.open.fetch_sub(1, Ordering::Relaxed);
        response
    }
}

struct World {
    emulator: Emulator,
    clock: ManualClock,
    transport: Counted,
    defender: DefenderClient,
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let emulator = Emulator::builder().clock(Arc::new(clock.clone())).start().await.unwrap();
        let ca = reqwest::Certificate::from_pem(emulator.ca_pem().as_bytes()).unwrap();
        let inner = Reqwest::new(reqwest::Client::builder().tls_certs_only([ca]).no_proxy()).unwrap();
        let transport = Counted { inner: Arc::new(inner), open: Arc::default() };
        let secret = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
        let client = DefenderClient::builder().base_url(emulator.base_url()).authority(emulator.authority());
        let defender = client.credential(secret).transport(transport.clone()).clock(clock.clone()).build().unwrap();
        Self { emulator, clock, transport, defender }
    }

    /// Runs `call`, and moves the clock whenever nothing waits for the network.
    async fn run<T>(&self, call: impl Future<Output = T>) -> T {
        run(&self.clock, &self.transport, call).await
    }
}

async fn run<T>(clock: &ManualClock, transport: &Counted, call: impl Future<Output = T>) -> T {
    let time_passes = async {
        loop {
            if transport.open.load(Ordering::Relaxed) == 0 {
                clock.advance_to_next();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = call => done,
        () = time_passes => unreachable!(),
    }
}

/// By default reqwest sends a request again after HTTP/2's `REFUSED_STREAM`.
#[tokio::test]
async fn refused_stream_is_not_retried() {
    let world = World::new().await;
    world.emulator.fault(Fault::RefusedStream).on(Operation::Isolate).times(1);
    let machine = world.emulator.machine_ids().first().copied().unwrap();
    let url = format!("{}/api/machines/{machine}/isolate", world.emulator.base_url());
    let error = world.transport.send(post(&url)).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false));
    assert_eq!(world.emulator.ledger().len(), 0);
}

#[tokio::test]
async fn action_is_sent_once() {
    let world = World::new().await;
    let machine = world.defender.machine(world.emulator.machine_ids().first().unwrap().parse().unwrap());
    let submitted = world.run(machine.isolate("Suspicious sign-ins").into_future()).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Created);
    assert_eq!(world.emulator.ledger().len(), 1);
}

#[tokio::test]
async fn lost_response_is_recovered() {
    let world = World::new().await;
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Isolate).times(1);
    let machine = world.defender.machine(world.emulator.machine_ids().first().unwrap().parse().unwrap());
    let submitted = world.run(machine.isolate("Suspicious sign-ins").into_future()).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Recovered);
    assert_eq!(world.emulator.ledger().len(), 1);
    assert!(world.clock.elapsed() < Duration::from_secs(180));
}

#[tokio::test]
async fn facade_reports_refused_connection_as_never_sent() {
    let (listener, _) = server().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (clock, transport) = (ManualClock::new(), Counted { inner: Arc::new(reqwest()), open: Arc::default() });
    let client = DefenderClient::builder().base_url(format!("https://{address}")).transport(transport.clone());
    let client = client.credential(StaticCredential::new("token")).clock(clock.clone());
    let machine = client.build().unwrap().machine("m1".parse().unwrap());
    let isolates = machine.isolate("Suspicious sign-ins").into_future();
    let error = run(&clock, &transport, isolates).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (Kind::ConnectFailed, true));
}

#[test]
fn readme_shows_the_recipe() {
    let recipe = include_str!("../../../fresh/reqwest_transport.rs");
    let readme = include_str!("../../../../crates/defender-transport/README.md");
    assert!(readme.contains(&format!("```Rust\n{recipe}```\n")));
    assert!(recipe.lines().count() <= 60);
}
