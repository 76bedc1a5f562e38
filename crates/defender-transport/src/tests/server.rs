//! The server of a simulation: answers as its seed says, and keeps the record of what it received.

use std::{
    future::pending,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use futures_util::future::{Either, select};
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_rustls::TlsAcceptor;

use super::{ID, Protocol, network::End};

/// Events of a request at the server, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Its head came.
    Heard,
    /// It was refused and not processed, and the client can know it.
    Refused,
    /// It took effect.
    Effect,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
pub(super) struct Server(Arc<Mutex<State>>);

struct State {
    random: Rng,
    calm: bool,
    protocol: Protocol,
    tls: Option<TlsAcceptor>,
    record: Vec<(Instant, usize, Event)>,
}

/// Treatment of a request.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Over HTTP/2, the stream is refused.
    refuses: bool,
    before: Duration,
    takes_effect: bool,
    after: Duration,
    then: Then,
    retry_after: Option<u32>,
    size: usize,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Answer(u16),
    /// The connection, or the stream, is broken off without a response.
    Break,
    Hang,
    /// The response's body breaks off or falls silent after so many bytes.
    BreakBody(usize),
    StallBody(usize),
}

impl Server {
    pub(super) fn new(protocol: Protocol, seed: u64) -> Self {
        let random = Rng::with_seed(seed ^ 0x5e_71e5);
        Self(Arc::new(Mutex::new(State { random, calm: false, protocol, tls: None, record: Vec::new() })))
    }

    /// The same, under TLS.
    pub(super) fn under(self, tls: TlsAcceptor) -> Self {
        self.state().tls = Some(tls);
        self
    }

    /// A server that answers all alike.
    pub(super) fn calm(protocol: Protocol) -> Self {
        let server = Self::new(protocol, 1);
        server.heal();
        server
    }

    /// From now on every request is answered well.
    pub(super) fn heal(&self) {
        self.state().calm = true;
    }

    /// Events of the request with this ID.
    pub(super) fn record(&self, id: usize) -> Vec<Event> {
        self.state().record.iter().filter(|(_, of, _)| *of == id).map(|(.., event)| *event).collect()
    }

    /// Everything that happened, with its moment.
    pub(super) fn all(&self) -> Vec<(Instant, usize, Event)> {
        self.state().record.clone()
    }

    /// Serves a connection until it ends.
    pub(super) fn accept(&self, end: End) {
        let (tls, leaves) = {
            let mut state = self.state();
            let leaves = !state.calm && state.random.u32(0..3) == 0;
            (state.tls.clone(), leaves.then(|| Duration::from_millis(state.random.u64(0..60_000))))
        };
        let server = self.clone();
        tokio::spawn(async move {
            match tls {
                None => server.serve(end, leaves).await,
                // A handshake that the client drops is not a request.
                Some(tls) => {
                    if let Ok(end) = tls.accept(end).await {
                        server.serve(end, leaves).await;
                    }
                }
            }
        });
    }

    /// Serves until the other end goes, or until `leaves` has passed: then an idle connection is closed, and one that is busy
    /// says that it will be.
    async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, leaves: Option<Duration>) {
        let (protocol, stormy) = {
            let state = self.state();
            (state.protocol, !state.calm)
        };
        let leaves_now = Arc::new(Notify::new());
        let asked = Arc::clone(&leaves_now);
        let service = service_fn(move |request| {
            if stormy && self.state().random.u32(0..15) == 0 {
                asked.notify_one(); // In the midst of what it is doing.
            }
            answer(self.clone(), request)
        });
        let io = TokioIo::new(io);
        match protocol {
            Protocol::Http1 => {
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.timer(TokioTimer::new()).half_close(false);
                let mut connection = pin!(builder.serve_connection(io, service));
                if let Either::Right(_) = select(connection.as_mut(), pin!(leaving(leaves, &leaves_now))).await {
                    connection.as_mut().graceful_shutdown();
                    let _ended = connection.await;
                }
            }
            Protocol::Http2 => {
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.timer(TokioTimer::new()).max_concurrent_streams(4);
                let mut connection = pin!(builder.serve_connection(io, service));
                if let Either::Right(_) = select(connection.as_mut(), pin!(leaving(leaves, &leaves_now))).await {
                    connection.as_mut().graceful_shutdown();
                    let _ended = connection.await;
                }
            }
        }
    }

    fn note(&self, id: usize, event: Event) {
        self.state().record.push((Instant::now(), id, event));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

async fn leaving(after: Option<Duration>, now: &Notify) {
    let after = async {
        match after {
            Some(after) => sleep(after).await,
            None => pending().await,
        }
    };
    select(pin!(after), pin!(now.notified())).await;
}

async fn answer(server: Server, request: Request<Incoming>) -> Result<Response<Answer>, BoxError> {
    let id: usize = request.headers()[ID].to_str()?.parse()?;
    let plan = server.state().plan();
    server.note(id, Event::Heard);
    if plan.refuses {
        server.note(id, Event::Refused);
        return Err(h2::Error::from(h2::Reason::REFUSED_STREAM).into());
    }
    let sent = request.into_body().collect().await?.to_bytes();
    sleep(plan.before).await;
    if plan.takes_effect {
        server.note(id, Event::Effect);
    }
    if let Then::Answer(425 | 429) = plan.then {
        server.note(id, Event::Refused);
    }
    sleep(plan.after).await;
    let (status, stops) = match plan.then {
        Then::Answer(status) => (status, None),
        Then::Break => return Err("it breaks off".into()),
        Then::Hang => pending().await,
        Then::BreakBody(left) => (201, Some((left, true))),
        Then::StallBody(left) => (201, Some((left, false))),
    };
    let mut response = Response::builder().status(StatusCode::from_u16(status)?);
    if let Some(wait) = plan.retry_after {
        response = response.header("retry-after", wait);
    }
    let text = format!("{id} {}\n{}", sent.len(), "x".repeat(plan.size));
    Ok(response.body(Answer { left: text.into(), stops })?)
}

impl State {
    fn plan(&mut self) -> Plan {
        let (calm, h2) = (self.calm, self.protocol == Protocol::Http2);
        let random = &mut self.random;
        let mut takes = |often: u64| {
            let longest = if !calm && random.u32(0..10) == 0 { often * 20 } else { often };
            Duration::from_millis(random.u64(0..=longest))
        };
        let (before, after) = (takes(500), takes(500));
        let largest = if random.u32(0..10) == 0 { 100_000 } else { 200 };
        let size = random.usize(0..largest);
        let fine = Plan {
            refuses: false,
            before,
            takes_effect: true,
            after,
            then: Then::Answer(201),
            retry_after: None,
            size,
        };
        let asks = random.bool().then(|| random.u32(0..40));
        let stops = random.usize(0..200);
        match if calm { 99 } else { random.u32(0..100) } {
            0..6 => Plan { takes_effect: false, then: Then::Answer(429), retry_after: asks, ..fine },
            6..10 => Plan { takes_effect: false, then: Then::Answer(503), retry_after: asks, ..fine },
            10..13 => Plan { then: Then::Answer(504), ..fine },
            13..15 => Plan { takes_effect: false, then: Then::Answer(408), ..fine },
            15..17 => Plan { takes_effect: false, then: Then::Answer(400), ..fine },
            17..20 => Plan { takes_effect: false, then: Then::Break, ..fine },
            20..23 => Plan { then: Then::Break, ..fine },
            23..26 => Plan { takes_effect: false, then: Then::Hang, ..fine },
            26..29 => Plan { then: Then::Hang, ..fine },
            29..34 => Plan { then: Then::BreakBody(stops), ..fine },
            34..37 => Plan { then: Then::StallBody(stops), ..fine },
            37..42 if h2 => Plan { refuses: true, ..fine },
            _ => fine,
        }
    }
}

/// The body of a response, in pieces, which may stop in the middle.
struct Answer {
    left: Bytes,
    /// After so many bytes, and whether it breaks off then or falls silent.
    stops: Option<(usize, bool)>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.stops {
            Some((0, true)) => return Poll::Ready(Some(Err("it breaks off".into()))),
            Some((0, false)) => return Poll::Pending,
            _ if self.left.is_empty() => return Poll::Ready(None),
            _ => {}
        }
        let most = self.stops.map_or(10_000, |(bytes, _)| bytes).min(self.left.len());
        let piece = self.left.split_to(most);
        let is_last = self.left.is_empty();
        if let Some((bytes, _)) = &mut self.stops {
            // What is shorter stops at its end.
            *bytes = if is_last { 0 } else { *bytes - piece.len() };
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}
