//! Servers that close their connections at the worst moment: no `Safe` call fails, and no `Never` call is sent twice.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Clock, ErrorKind, HyperTransport, Retry, SystemClock, Transport, TransportExt,
    extensions::{Attempts, Idempotency},
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use crate::server::{Ca, HTTP_1, HTTP_2, read_request, serve, url};

/// Number of times that each request came, by the number that it has in its head.
type Seen = Arc<Mutex<HashMap<String, usize>>>;

fn see(seen: &Seen, number: &str) {
    *seen.lock().unwrap().entry(number.to_owned()).or_default() += 1;
}

/// Moment at which a server closes a connection that has answered its share.
#[derive(Clone, Copy, Debug)]
enum Close {
    /// At once after the last response, while the client may be sending the next request.
    AfterAnAnswer,
    /// After the next request has begun to come, unread.
    UnderARequest,
    /// HTTP/2: a GOAWAY that lets what is under way finish.
    Gracefully,
}

async fn answer_in_http_1(mut stream: TlsStream<TcpStream>, share: usize, close: Close, seen: Seen) {
    for _ in 0..share {
        let Some((head, _)) = read_request(&mut stream).await else { return };
        let number = head.lines().find_map(|line| line.strip_prefix("x-number: ")).unwrap();
        see(&seen, number);
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        if stream.write_all(response).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
    if matches!(close, Close::UnderARequest) {
        let _begun = stream.read_u8().await;
    }
    // Dropped: what has come since is answered by a reset.
}

async fn answer_in_http_2(stream: TlsStream<TcpStream>, share: usize, close: Close, seen: Seen) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut answered = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let number = |headers: &HeaderMap| headers["x-number"].to_str().unwrap().to_owned();
        see(&seen, &number(request.headers()));
        if answered == share && matches!(close, Close::UnderARequest) {
            return;
        }
        if let Ok(mut body) = respond.send_response(Response::new(()), false) {
            let _sent = body.send_data(Bytes::from_static(b"{}"), true);
        }
        answered += 1;
        match close {
            Close::Gracefully if answered == share => connection.graceful_shutdown(),
            Close::AfterAnAnswer if answered == share => {
                // The response goes out, and who has come meanwhile is read and gets none.
                let next = poll_fn(|context| Poll::Ready(connection.poll_accept(context))).await;
                if let Poll::Ready(Some(Ok((request, _)))) = next {
                    see(&seen, &number(request.headers()));
                }
                return;
            }
            _ => {}
        }
    }
}

/// Outcomes of so many calls.
#[derive(Debug, Default)]
struct Outcome {
    /// Safe calls that took more than one attempt.
    resent: usize,
    /// Never calls whose outcome is unknown.
    unknown: usize,
}

async fn calls(alpn: &'static [&'static str], close: Close, number_of_calls: usize, at_once: usize) -> Outcome {
    let (ca, seen) = (Ca::new(), Seen::default());
    let kept = Arc::clone(&seen);
    let address = serve(ca.server("127.0.0.1", alpn), move |stream| {
        // A server that closes under every few requests would be down, and not idle now and then.
        let share = fastrand::usize(match (close, alpn) {
            (Close::UnderARequest, _) => 20..=60,
            (_, HTTP_2) => 6..=24,
            _ => 1..=16,
        });
        let seen = Arc::clone(&kept);
        async move {
            if alpn == HTTP_1 {
                answer_in_http_1(stream, share, close, seen).await;
            } else {
                answer_in_http_2(stream, share, close, seen).await;
            }
        }
    })
    .await;
    let clock = SystemClock::new();
    // Nobody waits between two attempts.
    let retry = Retry::default().backoff(Duration::ZERO, Duration::ZERO);
    let transport: HyperTransport = ca.transport().build().unwrap();
    let transport =
        transport.redirected().decompressed().deadline(clock).buffered().paced(clock).retrying(clock).policy(retry);
    let (transport, url) = (&transport, url(address));
    let outcomes = stream::iter(0..number_of_calls).map(|number| {
        let safe = number % 2 == 0;
        let request = if safe { Request::get(&url) } else { Request::post(&url) };
        let request = request.header("x-number", number).extension(if safe {
            Idempotency::Idempotent
        } else {
            Idempotency::NonIdempotent
        });
        let request = request.body(if safe { Bytes::new() } else { Bytes::from_static(b"{}") }).unwrap();
        async move { (number, safe, transport.send(request).await) }
    });
    let outcomes: Vec<_> = outcomes.buffer_unordered(at_once).collect().await;
    assert!(clock.elapsed() < Duration::from_secs(300));
    let seen = seen.lock().unwrap();
    let mut told = Outcome::default();
    for (number, safe, outcome) in outcomes {
        let times = seen.get(&number.to_string()).copied().unwrap_or_default();
        match outcome {
            Ok(response) => {
                told.resent += usize::from(Attempts::of(&response) > 1);
                assert!(times >= 1);
            }
            Err(error) => {
                assert!(!safe, "a Safe call failed: {error:?}");
                assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false), "{error:?}");
                told.unknown += 1;
            }
        }
        assert!(safe || times <= 1, "a Never call came {times} times");
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_close_after_response_is_harmless() {
    let told = calls(HTTP_1, Close::AfterAnAnswer, 10_000, 16).await;
    println!("{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_close_under_request_is_harmless() {
    let told = calls(HTTP_1, Close::UnderARequest, 4_000, 4).await;
    println!("{told:?}");
    assert!(told.resent > 0 && told.unknown > 0, "it was not put to the test: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_close_after_response_is_harmless() {
    let told = calls(HTTP_2, Close::AfterAnAnswer, 10_000, 2).await;
    println!("{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_close_under_request_is_harmless() {
    let told = calls(HTTP_2, Close::UnderARequest, 4_000, 2).await;
    println!("{told:?}");
    assert!(told.resent > 0 && told.unknown > 0, "it was not put to the test: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_graceful_close_is_harmless() {
    // Which of its streams hyper still sent when the GOAWAY came is not certain, and taking it so sent calls twice here.
    let told = calls(HTTP_2, Close::Gracefully, 4_000, 16).await;
    println!("{told:?}");
}
