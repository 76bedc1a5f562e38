//! The transport and the clock in one runtime, in several, in none, and in one whose time is paused.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Clock, ErrorKind, Retry, SystemClock, Transport, TransportExt,
    extensions::{Idempotency, Timeouts},
    testing::{Capture, Never},
};
use http::{Request, Response};
use tokio::runtime::{Builder, Runtime};

use crate::server::{Ca, HTTP_1, HTTP_2, get, post, read_request, serve, told, url};
use tokio::io::AsyncWriteExt;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A server on a thread of its own, whichever runtime its clients are in.
fn server(ca: &Ca, alpn: &'static [&'static str]) -> String {
    let (tls, (sender, receiver)) = (ca.server("127.0.0.1", alpn), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let address = serve(tls, move |mut stream| async move {
                if alpn == HTTP_1 {
                    while read_request(&mut stream).await.is_some() {
                        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                    }
                    return;
                }
                let mut server = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = server.accept().await {
                    respond.send_response(Response::builder().status(204).body(()).unwrap(), true).unwrap();
                }
            })
            .await;
            sender.send(url(address)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// The check for idle connections is a task, so that its panic would be seen by its message alone.
#[test]
fn endless_idle_time_causes_no_panic() {
    let (test, has_panicked) = (std::thread::current().id(), Arc::new(AtomicBool::new(false)));
    let (panics, before) = (Arc::clone(&has_panicked), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        panics.fetch_or(std::thread::current().id() == test, Ordering::SeqCst);
        before(info);
    }));
    let ca = Ca::new();
    let url = server(&ca, HTTP_1);
    let transport = ca.transport().pool_idle(Duration::MAX).build().unwrap();
    runtime().block_on(async {
        for _ in 0..2 {
            transport.send(post(&url)).await.unwrap().into_body().collect(64).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    assert!(!has_panicked.load(Ordering::SeqCst));
}

#[test]
fn second_runtime_works_beside_idle_first() {
    let ca = Ca::new();
    for alpn in [HTTP_1, HTTP_2] {
        let (url, transport) = (server(&ca, alpn), ca.transport().build().unwrap().deadline(SystemClock::new()));
        let (first, second) = (runtime(), runtime());
        let request = || {
            let mut request = post(&url);
            request.extensions_mut().insert(Timeouts::default().head(Duration::from_secs(5)));
            request
        };
        for _ in 0..3 {
            for runtime in [&first, &second] {
                let outcome = runtime.block_on(transport.send(request()));
                assert!(outcome.is_ok(), "{alpn:?}: {}", told(&outcome.unwrap_err()));
            }
        }
        // One that is over leaves nothing behind.
        drop(first);
        second.block_on(transport.send(request())).unwrap();
        for _ in 0..20 {
            runtime().block_on(transport.send(request())).unwrap();
        }
        second.block_on(transport.send(request())).unwrap();
    }
}

#[test]
fn call_outside_runtime_is_clear_error() {
    let transport = Ca::new().transport().build().unwrap();
    for request in [get("https://127.0.0.1:1/"), post("https://127.0.0.1:1/")] {
        let outcome = pin!(transport.send(request)).as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Err(error)) = outcome else { panic!("it waits") };
        assert_eq!((error.kind(), error.never_sent(), error.is_permanent()), (ErrorKind::Request, true, true));
        assert!(error.to_string().contains("tokio runtime"), "{error}");
    }
    // Made outside, and polled inside.
    let ca = Ca::new();
    let (url, transport) = (server(&ca, HTTP_1), ca.transport().build().unwrap());
    let sending = transport.send(post(&url));
    runtime().block_on(sending).unwrap();
}

#[test]
fn clock_works_outside_a_runtime() {
    let clock = SystemClock::new();
    let began = clock.elapsed();
    let transport = Capture::answering(Response::builder().status(503).body("").unwrap());
    let policy = Retry::default().attempts(3).backoff(Duration::from_millis(20), Duration::from_millis(20));
    let outside = transport.retrying(clock).policy(policy);
    let block = |mut future: std::pin::Pin<Box<dyn Future<Output = u16> + '_>>| {
        let waker = Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => std::thread::park(),
            }
        }
    };
    let request = Request::post("https://api.example/").extension(Idempotency::Idempotent).body(Bytes::new()).unwrap();
    let status = block(Box::pin(async { outside.send(request).await.unwrap().status().as_u16() }));
    assert_eq!(status, 503);
    block(Box::pin(async {
        clock.sleep_until(began + Duration::from_millis(40)).await;
        assert!(clock.elapsed() >= began + Duration::from_millis(40));
        0
    }));
    let made_outside = clock.sleep(Duration::from_millis(1));
    runtime().block_on(made_outside);
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

#[tokio::test(start_paused = true)]
#[allow(clippy::disallowed_methods, reason = "the time on the wall shows that none passed")]
async fn paused_time_triggers_the_deadline() {
    let (wall, clock) = (std::time::Instant::now(), SystemClock::new());
    let transport = Never.deadline(clock);
    let mut request = get("https://api.example/");
    request.extensions_mut().insert(Timeouts::default().head(Duration::from_secs(3_600)));
    assert_eq!(transport.send(request).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(clock.elapsed() >= Duration::from_secs(3_600), "{:?}", clock.elapsed());

    let before = clock.elapsed();
    let transport = Capture::answering(Response::builder().status(503).header("retry-after", "600").body("").unwrap());
    let policy = Retry::default().attempts(3).total(Duration::from_secs(86_400));
    transport.retrying(clock).policy(policy).send(get("https://api.example/")).await.unwrap();
    assert!(clock.elapsed() >= before + Duration::from_secs(1_200));

    let end = clock.elapsed() + Duration::from_secs(100);
    clock.sleep_until(end).await;
    let reached = clock.elapsed();
    assert!(reached >= end && reached < end + Duration::from_secs(1), "{reached:?}");
    assert!(wall.elapsed() < Duration::from_secs(10), "it took no time");
}
