//! A connection whose path dies: further requests do not follow the first ones.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::{
    HyperTransport, PlainHttp, Transport,
    hyper::dial::{Dialing, Stream},
    testing::ManualClock,
};

/// A stream that takes what is written and brings nothing any more, once its path is dead.
struct Mortal {
    stream: DuplexStream,
    dead: Arc<AtomicBool>,
}

impl AsyncRead for Mortal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.dead.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.dead.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Responds to each request with 204, but for those to `/slow`, which it keeps.
async fn serve(stream: DuplexStream) {
    let mut server = h2::server::handshake(stream).await.unwrap();
    let mut kept = Vec::new();
    while let Some(Ok((request, mut respond))) = server.accept().await {
        if request.uri().path() == "/slow" {
            kept.push(respond);
        } else {
            respond.send_response(Response::builder().status(204).body(()).unwrap(), true).unwrap();
        }
    }
}

/// The paths of connections, in their order: true for one that is dead.
type Paths = Arc<Mutex<Vec<Arc<AtomicBool>>>>;

/// A transport over such streams, the paths of its connections in their order, and how many there were.
fn transport(clock: &ManualClock) -> (HyperTransport, Paths, Arc<AtomicUsize>) {
    let (paths, dialled) = (Paths::default(), Arc::<AtomicUsize>::default());
    let (made, count) = (Arc::clone(&paths), Arc::clone(&dialled));
    let network = move |_: &Uri| -> Dialing {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        tokio::spawn(serve(theirs));
        let dead = Arc::<AtomicBool>::default();
        made.lock().unwrap().push(Arc::clone(&dead));
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(Stream::new(Mortal { stream: ours, dead }).speaking_http_2()) })
    };
    let builder = HyperTransport::builder().plain_http(PlainHttp::Loopback).clock(clock.clone());
    (builder.over(network).build().unwrap(), paths, dialled)
}

fn post(path: &str) -> Request<Bytes> {
    Request::post(format!("http://localhost{path}")).body(Bytes::from_static(b"{}")).unwrap()
}

/// Waits, in real time and not for long, until it is so.
async fn soon(done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn dead_path_gets_no_further_requests() {
    let clock = ManualClock::new();
    let (transport, paths, dialled) = transport(&clock);
    transport.send(post("/")).await.unwrap();
    paths.lock().unwrap()[0].store(true, Ordering::SeqCst);
    let lost = tokio::spawn({
        let transport = transport.clone();
        async move { transport.send(post("/")).await }
    });
    soon(|| false).await;
    clock.advance(Duration::from_secs(7));
    for _ in 0..3 {
        let response = tokio::time::timeout(Duration::from_secs(5), transport.send(post("/"))).await;
        assert_eq!(response.expect("it follows the first into the dead path").unwrap().status(), 204);
    }
    assert_eq!(dialled.load(Ordering::SeqCst), 2, "one new connection, and not one for each request");
    assert!(!lost.is_finished(), "what is under way is not given up");
    lost.abort();
}

#[tokio::test]
async fn idle_or_answering_host_keeps_its_connection() {
    let clock = ManualClock::new();
    let (transport, _paths, dialled) = transport(&clock);
    for _ in 0..3 {
        transport.send(post("/")).await.unwrap();
        clock.advance(Duration::from_secs(3_600)); // Nobody waits meanwhile.
    }
    let slow = tokio::spawn({
        let transport = transport.clone();
        async move { transport.send(post("/slow")).await }
    });
    soon(|| false).await;
    for _ in 0..10 {
        // Others are answered over the connection, so it lives, however slow one response is.
        clock.advance(Duration::from_secs(5));
        transport.send(post("/")).await.unwrap();
    }
    assert_eq!(dialled.load(Ordering::SeqCst), 1);
    slow.abort();
}
