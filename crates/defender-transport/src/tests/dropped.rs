//! A call that is dropped at any poll leaves nothing behind: no place in a queue, no timer, no connection, no task.

use std::{
    io::Write,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use tokio::{runtime::Handle, time::sleep};

use super::{ID, Paused, Protocol, network::Network, run, server::Server, transport};
use crate::{
    Body, Clock, Error, ErrorKind, Paced, Retrying, Transport, TransportExt,
    clock::Sleep,
    extensions::{Idempotency, RateLimit, RateLimitScope},
    testing::ManualClock,
};

const SECOND: Duration = Duration::from_secs(1);

type Queues = Paced<Arc<dyn Transport>>;

/// The whole stack, and its queues.
fn stack<C: Clock + Clone + 'static>(transport: impl Transport + 'static, clock: &C) -> (Retrying<Queues>, Queues) {
    let transport = transport.redirected().decompressed().deadline(clock.clone()).traced(clock.clone()).buffered();
    let paced = transport.shared().paced(clock.clone());
    (paced.clone().retrying(clock.clone()), paced)
}

fn scope(calls: u32, per: Duration) -> RateLimitScope {
    RateLimitScope { key: "scope".into(), limits: vec![RateLimit { calls, per }].into() }
}

fn request(scope: &RateLimitScope) -> Request<Bytes> {
    let request =
        Request::post("http://127.0.0.1/").header(ID, 7).extension(Idempotency::NonIdempotent).extension(scope.clone());
    request.body(Bytes::from(vec![b'x'; 1 << 10])).unwrap()
}

/// Takes a second for each response: 429, no connection, 401, and at last one that comes compressed and in pieces.
#[derive(Clone, Debug)]
struct Script {
    clock: ManualClock,
    arrivals: Arc<Mutex<Vec<Duration>>>,
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, Error> {
        let number = {
            let mut arrivals = self.arrivals.lock().unwrap();
            arrivals.push(self.clock.elapsed());
            arrivals.len()
        };
        self.clock.sleep(SECOND).await;
        let response = Response::builder();
        Ok(match number {
            1 => response.status(429).header("retry-after", 2).body(Body::empty()),
            2 => return Err(Error::new(ErrorKind::Connect)),
            3 => response.status(401).body(Body::empty()),
            _ => {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(b"hello, hello").unwrap();
                let pieces = Pieces { left: gzip.finish().unwrap().into(), clock: self.clock.clone(), sleep: None };
                response.header("content-encoding", "gzip").body(Body::new(pieces))
            }
        }
        .unwrap())
    }
}

/// Gives ten bytes a second.
struct Pieces {
    left: Bytes,
    clock: ManualClock,
    sleep: Option<Sleep>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let sleep = this.sleep.get_or_insert_with(|| this.clock.sleep(SECOND));
        std::task::ready!(sleep.as_mut().poll(context));
        this.sleep = None;
        let piece = this.left.split_to(this.left.len().min(10));
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls so often at most, moving the clock whenever nothing else can go on. `None` where it was not done by then.
fn polled<F: Future + Unpin>(mut future: F, clock: &ManualClock, polls: usize) -> Option<F::Output> {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    for _ in 0..polls {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if !woken.0.swap(false, Ordering::Relaxed) {
            clock.advance_to_next().expect("it waits for the clock");
        }
    }
    None
}

#[test]
fn call_dropped_in_memory_leaves_nothing() {
    for window in [SECOND / 10, SECOND * 10] {
        let mut polls = 0;
        loop {
            let clock = ManualClock::new();
            let script = Script { clock: clock.clone(), arrivals: Arc::default() };
            let ((stack, paced), scope) = (stack(script.clone(), &clock), scope(1, window));
            let whole = polled(stack.send(request(&scope)), &clock, polls);
            assert_eq!((paced.waiting(&scope), clock.sleeping()), (0, 0), "dropped after {polls} polls");

            // The next one waits for no more than the window, or what the 429 asked for.
            let (before, dropped) = (script.arrivals.lock().unwrap().len(), clock.elapsed());
            let next = polled(stack.send(request(&scope)), &clock, 1_000).expect("it ends");
            let arrived = script.arrivals.lock().unwrap()[before];
            assert!(arrived <= dropped + window.max(SECOND * 2), "dropped after {polls} polls: {arrived:?}");
            assert_eq!((paced.waiting(&scope), clock.sleeping()), (0, 0), "dropped after {polls} polls");
            if let Some(whole) = whole {
                assert_eq!(whole.unwrap().status(), 200, "{next:?}");
                break;
            }
            polls += 1;
        }
        assert!((12..100).contains(&polls), "{polls} polls are one call");
    }
}

/// Polls so often at most, on tokio's clock.
async fn polled_so_often<F: Future + Unpin>(mut future: F, mut polls: usize) -> Option<F::Output> {
    std::future::poll_fn(move |context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        match Pin::new(&mut future).poll(context) {
            Poll::Pending if polls == 0 => Poll::Ready(None),
            polled => polled.map(Some),
        }
    })
    .await
}

/// Drops a call after so many polls, over a connection that is there already if it is `warm`. Says whether it was done.
async fn dropped_after(polls: usize, protocol: Protocol, warm: bool) -> bool {
    let (network, server, clock) = (Network::calm(), Server::calm(protocol), Paused::new());
    let ((stack, paced), scope) = (stack(transport(&network, &server, protocol, None), &clock), scope(1, SECOND));
    if warm {
        stack.send(request(&scope)).await.unwrap();
        sleep(SECOND / 10).await;
    }
    let what = format!("{protocol:?}, warm: {warm}, dropped after {polls} polls");
    let done = polled_so_often(stack.send(request(&scope)), polls).await;
    assert_eq!(paced.waiting(&scope), 0, "{what}");

    let began = clock.elapsed();
    let next = stack.send(request(&scope)).await.unwrap();
    assert_eq!(next.status(), 201, "{what}");
    assert!(clock.elapsed() < began + SECOND * 4, "{what}");

    sleep(SECOND).await;
    assert_eq!(network.open(), 1, "{what}: the connection of the one that was done is in the pool, and no other");
    let (dialled, tasks) = (network.dialled(), Handle::current().metrics().num_alive_tasks());
    stack.send(request(&scope)).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(network.dialled(), dialled, "{what}: and it is used");
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks, "{what}: a call leaves no task");

    drop((stack, paced));
    sleep(SECOND).await;
    assert_eq!((network.open(), Handle::current().metrics().num_alive_tasks()), (0, 0), "{what}");
    done.is_some_and(|done| done.unwrap().status() == 201)
}

#[test]
fn call_dropped_on_network_leaves_nothing() {
    for (protocol, warm) in [Protocol::Http1, Protocol::Http2].into_iter().flat_map(|one| [(one, false), (one, true)]) {
        let mut polls = 0;
        while !run(dropped_after(polls, protocol, warm)) {
            polls += 1;
        }
        assert!((3..100).contains(&polls), "{polls} polls are one call");
    }
}
