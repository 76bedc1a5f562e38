//! Endings of an HTTP/2 stream by its server, and whether the request can have been processed.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use defender_transport::{Error, ErrorKind, HyperTransport, Transport};
use h2::Reason;
use http::{Request, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, unbounded_channel},
    },
};
use tokio_rustls::server::TlsStream;

use crate::server::{CANARY, Ca, HTTP_2, assert_error, post as request, serve, told, url};

/// Ending of a stream by the server.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Reset(Reason),
    GoAway(Reason),
}

/// A transport to a server that ends each stream so, and the ids of the tries that came there.
async fn ending(ending: Ending) -> (HyperTransport, String, UnboundedReceiver<String>) {
    let ca = Ca::new();
    let (seen, ids) = unbounded_channel();
    let address = serve(ca.server("127.0.0.1", HTTP_2), move |stream| {
        let seen = seen.clone();
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let id = request.headers()["client-request-id"].to_str().unwrap().to_owned();
                // The test may have seen enough.
                let _sent = seen.send(id);
                match ending {
                    Ending::Reset(reason) => respond.send_reset(reason),
                    Ending::GoAway(reason) => connection.abrupt_shutdown(reason),
                }
            }
        }
    })
    .await;
    (ca.transport().build().unwrap(), url(address), ids)
}

async fn post(transport: &HyperTransport, url: &str) -> Error {
    transport.send(Request::post(url).body(Bytes::from_static(b"{}")).unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn refused_stream_was_never_processed() {
    let (transport, url, _ids) = ending(Ending::Reset(Reason::REFUSED_STREAM)).await;
    let error = post(&transport, &url).await;
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.never_sent(), "{error:?}");
}

#[tokio::test]
async fn other_reset_may_have_been_processed() {
    for end in [
        Ending::Reset(Reason::INTERNAL_ERROR),
        Ending::Reset(Reason::CANCEL),
        Ending::Reset(Reason::NO_ERROR),
        Ending::GoAway(Reason::INTERNAL_ERROR),
        Ending::GoAway(Reason::ENHANCE_YOUR_CALM),
        Ending::GoAway(Reason::REFUSED_STREAM),
    ] {
        let (transport, url, _ids) = ending(end).await;
        let error = post(&transport, &url).await;
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{end:?}");
        assert!(!error.never_sent(), "{end:?}: {error:?}");
    }
}

#[tokio::test]
async fn every_attempt_has_its_own_uuid() {
    let (transport, url, mut ids) = ending(Ending::Reset(Reason::CANCEL)).await;
    let mut seen = HashSet::new();
    for _ in 0..20 {
        post(&transport, &url).await;
        let id = ids.recv().await.unwrap();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id.as_bytes()[14], &b'4', "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert!(seen.insert(id));
    }
}

/// The other end of an HTTP/2 connection, frame by frame.
struct Frames(TlsStream<TcpStream>);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;

impl Frames {
    /// Takes the client's preface and greets it.
    async fn greet(mut stream: TlsStream<TcpStream>) -> Self {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.0.write_all(&frame).await.unwrap();
        self.0.flush().await.unwrap();
    }

    async fn go_away(&mut self, last: u32, reason: Reason) {
        let payload = [last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
        self.send(GO_AWAY, 0, 0, &payload).await;
    }

    /// The stream whose request has come next, whole.
    async fn next_request(&mut self) -> u32 {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.unwrap();
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
            self.0.read_exact(&mut payload).await.unwrap();
            if matches!(kind, DATA | HEADERS) && flags & 1 == 1 {
                return u32::from_be_bytes(stream);
            }
        }
    }

    /// Waits until the client closes the connection.
    async fn until_it_is_left(mut self) {
        while self.0.read_u8().await.is_ok() {}
    }
}

#[tokio::test]
async fn goaway_is_named_but_not_certain() {
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::INTERNAL_ERROR] {
        let ca = Ca::new();
        let address = serve(ca.server("127.0.0.1", HTTP_2), move |stream| async move {
            let mut frames = Frames::greet(stream).await;
            frames.next_request().await;
            frames.go_away(0, reason).await;
            frames.until_it_is_left().await;
        })
        .await;
        let error = ca.transport().build().unwrap().send(request(&url(address))).await.unwrap_err();
        assert_error(&error, ErrorKind::Interrupted, false, "(GOAWAY)");
    }
}

#[tokio::test]
async fn data_of_a_goaway_is_not_told() {
    for (last, reason) in [(0, Reason::ENHANCE_YOUR_CALM), (0, Reason::INTERNAL_ERROR), (1, Reason::PROTOCOL_ERROR)] {
        let ca = Ca::new();
        let address = serve(ca.server("127.0.0.1", HTTP_2), move |stream| async move {
            let mut frames = Frames::greet(stream).await;
            frames.next_request().await;
            let echo = format!("{CANARY} \u{1b}[2J\n").into_bytes();
            let payload = [&u32::to_be_bytes(last)[..], &u32::from(reason).to_be_bytes(), &echo].concat();
            frames.send(GO_AWAY, 0, 0, &payload).await;
            frames.until_it_is_left().await;
        })
        .await;
        let error = ca.transport().build().unwrap().send(request(&url(address))).await.unwrap_err();
        let told = told(&error);
        assert!(!told.contains(CANARY) && !told.contains('\u{1b}') && !told.contains("99, 97, 110"), "{told}");
        assert!(last > 0 || format!("{error:#}").contains("GOAWAY"), "{error:#}");
    }
}

#[tokio::test]
async fn stream_below_goaway_may_be_processed() {
    for (reason, last) in [
        (Reason::NO_ERROR, 1),
        (Reason::ENHANCE_YOUR_CALM, 1),
        (Reason::INTERNAL_ERROR, 1),
        (Reason::NO_ERROR, (1 << 31) - 1),
    ] {
        let ca = Ca::new();
        let address = serve(ca.server("127.0.0.1", HTTP_2), move |stream| async move {
            let mut frames = Frames::greet(stream).await;
            frames.next_request().await;
            frames.go_away(last, reason).await;
        })
        .await;
        let error = ca.transport().build().unwrap().send(request(&url(address))).await.unwrap_err();
        assert_error(&error, ErrorKind::Interrupted, false, "by 127.0.0.1");
    }
}

#[tokio::test]
async fn graceful_goaway_finishes_lower_streams() {
    let ca = Ca::new();
    let first_is_there = Arc::new(Notify::new());
    let told = Arc::clone(&first_is_there);
    let address = serve(ca.server("127.0.0.1", HTTP_2), move |stream| {
        let told = Arc::clone(&told);
        async move {
            let mut frames = Frames::greet(stream).await;
            assert_eq!(frames.next_request().await, 1);
            told.notify_one();
            assert_eq!(frames.next_request().await, 3);
            frames.go_away(1, Reason::NO_ERROR).await;
            // `:status: 204`, and the end of head and stream.
            frames.send(HEADERS, 0b101, 1, &[0x89]).await;
            frames.until_it_is_left().await;
        }
    })
    .await;
    let transport = ca.transport().build().unwrap();
    let (first, second) = tokio::join!(transport.send(request(&url(address))), async {
        first_is_there.notified().await;
        transport.send(request(&url(address))).await
    });
    assert_eq!(first.unwrap().status(), StatusCode::NO_CONTENT);
    assert_error(&second.unwrap_err(), ErrorKind::Interrupted, false, "(GOAWAY)");
}

#[tokio::test]
async fn body_whose_stream_is_closed_is_not_complete() {
    // `:status: 200`, without and with a `content-length: 9`.
    for head in [&b"\x88"[..], b"\x88\x0f\x0d\x019"] {
        for reset in [true, false] {
            let ca = Ca::new();
            let head_is_there = Arc::new(Notify::new());
            let told = Arc::clone(&head_is_there);
            let address = serve(ca.server("127.0.0.1", HTTP_2), move |stream| {
                let told = Arc::clone(&told);
                async move {
                    let mut frames = Frames::greet(stream).await;
                    frames.next_request().await;
                    frames.send(HEADERS, 0b100, 1, head).await;
                    frames.send(DATA, 0, 1, b"part").await;
                    told.notified().await;
                    let no_error = u32::from(Reason::NO_ERROR).to_be_bytes();
                    if reset {
                        frames.send(RST_STREAM, 0, 1, &no_error).await;
                    } else {
                        frames.go_away(0, Reason::NO_ERROR).await;
                    }
                    frames.until_it_is_left().await;
                }
            })
            .await;
            let response = ca.transport().build().unwrap().send(request(&url(address))).await.unwrap();
            head_is_there.notify_one();
            let error = response.into_body().collect(64).await.unwrap_err();
            assert_error(&error, ErrorKind::Interrupted, false, "inside the response's body");
        }
    }
}

#[tokio::test]
async fn reset_after_the_end_of_a_body_changes_nothing() {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", HTTP_2), |stream| async move {
        let mut frames = Frames::greet(stream).await;
        frames.next_request().await;
        frames.send(HEADERS, 0b100, 1, b"\x88").await;
        frames.send(DATA, 1, 1, b"whole").await;
        frames.send(RST_STREAM, 0, 1, &u32::from(Reason::NO_ERROR).to_be_bytes()).await;
        frames.until_it_is_left().await;
    })
    .await;
    let response = ca.transport().build().unwrap().send(request(&url(address))).await.unwrap();
    assert_eq!(response.into_body().collect(64).await.unwrap(), "whole");
}

#[tokio::test]
async fn response_to_head_is_empty_whatever_it_announces() {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", HTTP_2), |stream| async move {
        let mut frames = Frames::greet(stream).await;
        frames.next_request().await;
        // `:status: 200`, and a `content-length: 5000000`.
        frames.send(HEADERS, 0b101, 1, b"\x88\x0f\x0d\x075000000").await;
        frames.until_it_is_left().await;
    })
    .await;
    let head = Request::head(url(address)).body(Bytes::new()).unwrap();
    let response = ca.transport().build().unwrap().send(head).await.unwrap();
    assert_eq!(response.into_body().collect(64).await.unwrap(), "");
}

#[tokio::test]
async fn malformed_head_is_a_protocol_error() {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", HTTP_2), move |stream| async move {
        let mut frames = Frames::greet(stream).await;
        frames.next_request().await;
        // No status, and a field of the request's.
        frames.send(HEADERS, 0b101, 1, &[0x82]).await;
        frames.until_it_is_left().await;
    })
    .await;
    let error = ca.transport().build().unwrap().send(request(&url(address))).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Protocol, false), "{error:?}");
}
