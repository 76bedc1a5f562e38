//! Bodies that come a byte now and then, or not at all, end when their time is over. Nobody waits for real.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use defender_transport::{
    Clock, ErrorKind, Transport, TransportExt,
    extensions::{Read, Timeouts},
    testing::ManualClock,
};
use futures_util::StreamExt;
use http::Response;
use tokio::{
    io::AsyncWriteExt,
    sync::{Mutex, mpsc},
};

use crate::server::{Ca, HTTP_1, HTTP_2, assert_error, get, read_request, serve, url};

/// A server whose body has a byte more for each word from the test, and never ends.
async fn dripping(ca: &Ca, alpn: &'static [&'static str]) -> (String, mpsc::UnboundedSender<()>) {
    let (drip, drops) = mpsc::unbounded_channel::<()>();
    let drops = Arc::new(Mutex::new(drops));
    let address = serve(ca.server("127.0.0.1", alpn), move |mut stream| {
        let drops = Arc::clone(&drops);
        async move {
            let mut drops = drops.lock().await;
            if alpn == HTTP_1 {
                read_request(&mut stream).await.unwrap();
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head).await.unwrap();
                stream.flush().await.unwrap();
                while drops.recv().await.is_some() {
                    if stream.write_all(b"1\r\nx\r\n").await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                return;
            }
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            loop {
                tokio::select! {
                    end = connection.accept() => assert!(end.is_none_or(|end| end.is_err())),
                    asked = drops.recv() => match asked {
                        Some(()) => body.send_data(Bytes::from_static(b"x"), false).unwrap_or_default(),
                        None => return,
                    }
                }
            }
        }
    })
    .await;
    (url(address), drip)
}

/// Moves the clock once somebody sleeps on it.
async fn advance(clock: &ManualClock, by: Duration) {
    while clock.sleeping() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(by);
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn silent_body_hits_idle_timeout() {
    for alpn in [HTTP_1, HTTP_2] {
        let (ca, clock) = (Ca::new(), ManualClock::new());
        let (url, drip) = dripping(&ca, alpn).await;
        let transport =
            ca.transport().build().unwrap().deadline(clock.clone()).times(Timeouts::default().idle(30 * SECOND));
        let mut request = get(&url);
        request.extensions_mut().insert(Read::Stream);
        let mut pieces = Box::pin(transport.send(request).await.unwrap().into_body().into_stream());
        for _ in 0..100 {
            // Each comes just before the time is over, for far longer than that.
            let (piece, ()) = tokio::join!(pieces.next(), async {
                advance(&clock, 29 * SECOND).await;
                drip.send(()).unwrap();
            });
            assert_eq!(piece.unwrap().unwrap(), "x");
        }
        let (end, ()) = tokio::join!(pieces.next(), advance(&clock, 30 * SECOND));
        let error = end.unwrap().unwrap_err();
        assert_error(&error, ErrorKind::Timeout, false, "30s");
        assert!(error.is_timeout());
        assert_eq!(clock.elapsed(), (100 * 29 + 30) * SECOND);
    }
}

#[tokio::test]
async fn dripping_body_hits_total_timeout() {
    for alpn in [HTTP_1, HTTP_2] {
        let (ca, clock) = (Ca::new(), ManualClock::new());
        let (url, drip) = dripping(&ca, alpn).await;
        let times = Timeouts::default().idle(30 * SECOND).total(300 * SECOND);
        let transport = ca.transport().build().unwrap().deadline(clock.clone()).times(times);
        let mut pieces = Box::pin(transport.send(get(&url)).await.unwrap().into_body().into_stream());
        for _ in 0..59 {
            let (piece, ()) = tokio::join!(pieces.next(), async {
                advance(&clock, 5 * SECOND).await;
                drip.send(()).unwrap();
            });
            assert_eq!(piece.unwrap().unwrap(), "x");
        }
        let (end, ()) = tokio::join!(pieces.next(), advance(&clock, 5 * SECOND));
        assert_error(&end.unwrap().unwrap_err(), ErrorKind::Timeout, false, "300s");
        assert_eq!(clock.elapsed(), 300 * SECOND);
    }
}

#[tokio::test]
async fn missing_head_hits_head_timeout() {
    let (ca, clock) = (Ca::new(), ManualClock::new());
    let address = serve(ca.server("127.0.0.1", HTTP_1), |mut stream| async move {
        read_request(&mut stream).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let transport = ca.transport().build().unwrap().deadline(clock.clone());
    let (response, ()) = tokio::join!(transport.send(get(&url(address))), advance(&clock, 30 * SECOND));
    assert_error(&response.unwrap_err(), ErrorKind::Timeout, false, "the head");
}
