//! HTTP/2 and what stands in its way: streams that are not free, servers that want HTTP/1.1, headers that break the rules.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Clock, ErrorKind, Retry, SystemClock, Transport, TransportExt,
    extensions::{Attempts, Idempotency, Timeouts},
};
use futures_util::future::join_all;
use h2::Reason;
use http::{Request, Response, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use crate::server::{Ca, HTTP_1, HTTP_2, answer_raw, get, post, read_request, serve, told, url};

const BOTH: &[&str] = &["h2", "http/1.1"];

#[tokio::test]
async fn request_awaiting_stream_was_never_sent() {
    let ca = Ca::new();
    let (bodies, freed) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counted, free) = (Arc::clone(&bodies), Arc::clone(&freed));
    let address = serve(ca.server("127.0.0.1", HTTP_2), move |stream| {
        let (counted, free) = (Arc::clone(&counted), Arc::clone(&free));
        async move {
            let mut server =
                h2::server::Builder::new().max_concurrent_streams(1).handshake::<_, Bytes>(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = server.accept().await {
                let (counted, free) = (Arc::clone(&counted), Arc::clone(&free));
                tokio::spawn(async move {
                    let hangs = request.uri().path() == "/hang";
                    let mut body = request.into_body();
                    while let Some(Ok(piece)) = body.data().await {
                        counted.fetch_add(usize::from(!piece.is_empty()), Ordering::SeqCst);
                    }
                    if hangs {
                        free.notified().await;
                    }
                    // The client may have given up.
                    let _sent = respond.send_response(Response::builder().status(204).body(()).unwrap(), true);
                });
            }
        }
    })
    .await;
    let transport = ca.transport().build().unwrap().deadline(SystemClock::new());
    // The client learns how many streams there may be from the first response.
    transport.send(post(&url(address))).await.unwrap();
    let hanging = transport.send(post(&format!("{}hang", url(address))));
    let waiting = async {
        SystemClock::new().sleep(Duration::from_millis(100)).await;
        let request = || {
            let mut request = post(&url(address));
            request.extensions_mut().insert(Timeouts::default().head(Duration::from_millis(300)));
            request
        };
        let outcomes = join_all((0..4).map(|_| transport.send(request()))).await;
        freed.notify_one();
        outcomes
    };
    let (hung, outcomes) = tokio::join!(hanging, waiting);
    assert_eq!(hung.unwrap().status(), 204);
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(error.never_sent() && error.is_timeout() && !error.is_permanent(), "{}", told(&error));
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("so nothing was processed"), "{error}");
    }
    // What was given up does not leave when a stream is free, and what is sent then does.
    transport.send(post(&url(address))).await.unwrap();
    assert_eq!(bodies.load(Ordering::SeqCst), 3, "bodies that came");
}

#[tokio::test]
async fn sent_request_may_have_been_processed() {
    let ca = Ca::new();
    for alpn in [HTTP_1, HTTP_2] {
        let address = serve(ca.server("127.0.0.1", alpn), move |mut stream| async move {
            if alpn == HTTP_1 {
                read_request(&mut stream).await;
                std::future::pending::<()>().await;
            }
            let mut server = h2::server::handshake(stream).await.unwrap();
            let _held = server.accept().await;
            while server.accept().await.is_some() {}
        })
        .await;
        let transport = ca.transport().build().unwrap().deadline(SystemClock::new());
        let mut request = post(&url(address));
        request.extensions_mut().insert(Timeouts::default().head(Duration::from_millis(300)));
        let error = transport.send(request).await.unwrap_err();
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Timeout, false), "{}", told(&error));
    }
}

/// A server that speaks HTTP/1.1 well, and over HTTP/2 ends each stream in this way.
async fn reluctant(ca: &Ca, go_away: bool) -> String {
    let address = serve(ca.server("127.0.0.1", BOTH), move |mut stream| async move {
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            if go_away {
                // SETTINGS; then, once something has come, a GOAWAY of all streams.
                stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
                let mut seen = [0; 1 << 12];
                while stream.read(&mut seen).await.is_ok_and(|length| length > 0) {
                    stream.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13]).await.unwrap();
                    stream.flush().await.unwrap();
                }
                return;
            }
            let mut server = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = server.accept().await {
                respond.send_reset(Reason::HTTP_1_1_REQUIRED);
            }
            return std::future::pending().await; // Whoever closes at once may take the last words along.
        }
        while read_request(&mut stream).await.is_some() {
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    url(address)
}

fn quick() -> Retry {
    Retry::default().backoff(Duration::ZERO, Duration::ZERO)
}

#[tokio::test]
async fn server_that_requires_http_1_gets_it() {
    let ca = Ca::new();
    let url = reluctant(&ca, false).await;
    let transport = ca.transport().build().unwrap();
    let error = transport.send(post(&url)).await.unwrap_err();
    assert!(error.never_sent() && error.to_string().contains("HTTP_1_1_REQUIRED"), "{}", told(&error));
    let retrying = ca.transport().build().unwrap().retrying(SystemClock::new()).policy(quick());
    for attempts in [2, 1, 1] {
        let mut request = post(&url);
        request.extensions_mut().insert(Idempotency::NonIdempotent);
        let response = retrying.send(request).await.unwrap();
        assert_eq!((response.version(), Attempts::of(&response)), (Version::HTTP_11, attempts));
    }
    // A GOAWAY does not say which streams were processed, and the next request goes over HTTP/1.1 all the same.
    let url = reluctant(&ca, true).await;
    let transport = ca.transport().build().unwrap();
    assert!(!transport.send(post(&url)).await.unwrap_err().never_sent());
    assert_eq!(transport.send(post(&url)).await.unwrap().version(), Version::HTTP_11);
}

#[tokio::test]
async fn http_1_can_be_chosen() {
    let ca = Ca::new();
    let url = reluctant(&ca, false).await;
    let response = ca.transport().http1_only().build().unwrap().send(post(&url)).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
}

#[tokio::test]
async fn broken_header_line_keeps_the_response() {
    let ca = Ca::new();
    for line in [
        &b"Set-Cookie: a=\x01\x02; path=/\r\n"[..],
        b"Bad Name: x\r\n",
        b"B@d\xe9Name: x\r\n",
        b": no name\r\n",
        b"Set-Cookie : spaced\r\n",
        b"X-Folded: one\r\n two\r\n\tthree\r\n",
        b"X-Del: a\x7fb\r\n",
        b"no colon at all\r\n",
    ] {
        let response =
            [b"HTTP/1.1 201 Created\r\nx-good: 1\r\n", line, b"Content-Length: 2\r\nx-last: 2\r\n\r\n{}"].concat();
        let address = serve(ca.server("127.0.0.1", HTTP_1), move |stream| {
            let response = response.clone();
            async move { answer_raw(stream, &response).await }
        })
        .await;
        let response = ca.transport().build().unwrap().send(post(&url(address))).await;
        let response = response.unwrap_or_else(|error| panic!("{:?}: {}", String::from_utf8_lossy(line), told(&error)));
        assert_eq!((response.status().as_u16(), &response.headers()["x-good"]), (201, &"1".parse().unwrap()));
        assert_eq!(response.headers()["x-last"], "2");
        assert_eq!(response.into_body().collect(10).await.unwrap(), "{}");
    }
}

#[tokio::test]
async fn unreadable_http_2_falls_back_to_http_1() {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", BOTH), move |mut stream| async move {
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            // SETTINGS; then, to the first stream, a head whose header has an upper-case name.
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            let mut seen = [0; 1 << 12];
            while stream.read(&mut seen).await.is_ok_and(|length| length > 0) {
                let block = [&[0x89, 0, 3][..], b"BAD", &[1], b"x"].concat();
                let head = [0, 0, u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, 1];
                stream.write_all(&[&head[..], &block].concat()).await.unwrap();
                stream.flush().await.unwrap();
            }
            return;
        }
        while read_request(&mut stream).await.is_some() {
            stream.write_all(b"HTTP/1.1 204 No Content\r\nBad Name: x\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let transport = ca.transport().build().unwrap().retrying(SystemClock::new()).policy(quick());
    let response = transport.send(get(&url(address))).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (204, Version::HTTP_11));
}

#[tokio::test]
async fn request_awaiting_connection_was_never_sent() {
    // A server that takes connections and says nothing: TLS does not come about.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let transport = Ca::new().transport().build().unwrap().deadline(SystemClock::new());
    let mut request = Request::post(url(address)).body(Bytes::from_static(b"{}")).unwrap();
    request.extensions_mut().insert(Timeouts::default().head(Duration::from_millis(300)));
    let error = transport.send(request).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Connect, true), "{}", told(&error));
}
