//! A network in memory between one client and one server, as bad as its seed says.

use std::{
    future::pending,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::pipe::{Pipe, WINDOW};

/// The network. What befalls a connection is drawn from the seed when it is dialled, and so is each delay.
#[derive(Clone)]
pub(super) struct Network(Arc<Mutex<Weather>>);

struct Weather {
    random: Rng,
    /// Nothing befalls anybody.
    calm: bool,
    /// Times at which no byte gets through: bytes that are sent meanwhile arrive after.
    partitions: Vec<(Instant, Instant)>,
    dialled: usize,
    /// Number of connections that the client holds.
    open: usize,
}

/// Fault of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Fine,
    /// The server does not listen.
    Refused,
    /// The request for the connection is lost.
    Unreachable,
    /// It is reset once so many bytes came to the server, or to the client.
    Cut {
        to_server: Option<usize>,
        to_client: Option<usize>,
    },
    /// After so many bytes the rest vanishes, and nobody is told.
    Silent {
        to_server: usize,
        to_client: usize,
    },
}

impl Network {
    /// A network with up to three partitions in its first minutes, and bad luck for every other connection.
    pub(super) fn stormy(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let partitions = (0..random.u32(0..4)).map(|_| {
            let from = Instant::now() + Duration::from_millis(random.u64(0..150_000));
            (from, from + Duration::from_millis(random.u64(0..45_000)))
        });
        let partitions = partitions.collect();
        Self(Arc::new(Mutex::new(Weather { random, calm: false, partitions, dialled: 0, open: 0 })))
    }

    /// A network on which nothing goes wrong.
    pub(super) fn calm() -> Self {
        let weather = Weather { random: Rng::with_seed(1), calm: true, partitions: Vec::new(), dialled: 0, open: 0 };
        Self(Arc::new(Mutex::new(weather)))
    }

    /// From now on nothing goes wrong that has not gone wrong already.
    pub(super) fn heal(&self) {
        self.weather().calm = true;
    }

    /// Number of connections that were asked for.
    pub(super) fn dialled(&self) -> usize {
        self.weather().dialled
    }

    /// Number of connections that the client holds now.
    pub(super) fn open(&self) -> usize {
        self.weather().open
    }

    /// Asks for a connection. The server's end is handed to `accept`.
    pub(super) async fn dial(&self, accept: impl FnOnce(End)) -> io::Result<End> {
        let (fate, there) = {
            let mut weather = self.weather();
            weather.dialled += 1;
            (weather.fate(), weather.arrival())
        };
        if fate == Fate::Unreachable {
            pending::<()>().await;
        }
        sleep_until(there).await;
        let back = self.weather().arrival();
        if fate == Fate::Refused {
            sleep_until(back).await;
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = connected(self, fate);
        self.weather().open += 1;
        accept(theirs);
        sleep_until(back).await;
        Ok(ours)
    }

    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.0.lock().unwrap()
    }
}

impl Weather {
    fn fate(&mut self) -> Fate {
        if self.calm {
            return Fate::Fine;
        }
        let random = &mut self.random;
        // Where it ends is now and then inside a greeting, a head or a body, and mostly later.
        let mut bytes = |few: usize| if random.bool() { random.usize(0..few) } else { random.usize(0..few * 20) };
        let (up, down) = (bytes(600), bytes(600));
        match random.u32(0..100) {
            0..6 => Fate::Refused,
            6..10 => Fate::Unreachable,
            10..20 => Fate::Cut { to_server: Some(up), to_client: None },
            20..32 => Fate::Cut { to_server: None, to_client: Some(down) },
            32..40 => Fate::Silent { to_server: up, to_client: down },
            _ => Fate::Fine,
        }
    }

    /// Arrival of bytes that are sent now.
    fn arrival(&mut self) -> Instant {
        let now = Instant::now();
        let slow = !self.calm && self.random.u32(0..20) == 0;
        let latency = Duration::from_millis(self.random.u64(if slow { 0..4_000 } else { 1..60 }));
        let at = now + latency;
        let ends = self.partitions.iter().filter(|(from, to)| (*from..*to).contains(&at)).map(|(_, to)| *to).max();
        ends.filter(|_| !self.calm).map_or(at, |end| end + latency)
    }
}

struct Link {
    network: Network,
    to_server: Pipe,
    to_client: Pipe,
}

/// One end of a connection.
pub(super) struct End {
    link: Arc<Mutex<Link>>,
    is_client: bool,
    timer: Pin<Box<Sleep>>,
}

fn connected(network: &Network, fate: Fate) -> (End, End) {
    let (to_server, to_client) = match fate {
        Fate::Cut { to_server, to_client } => (Pipe::new(to_server, None), Pipe::new(to_client, None)),
        Fate::Silent { to_server, to_client } => (Pipe::new(None, Some(to_server)), Pipe::new(None, Some(to_client))),
        Fate::Fine | Fate::Refused | Fate::Unreachable => (Pipe::new(None, None), Pipe::new(None, None)),
    };
    let link = Arc::new(Mutex::new(Link { network: network.clone(), to_server, to_client }));
    let end = |is_client| End { link: Arc::clone(&link), is_client, timer: Box::pin(sleep_until(Instant::now())) };
    (end(true), end(false))
}

impl Link {
    fn incoming(&mut self, is_client: bool) -> &mut Pipe {
        if is_client { &mut self.to_client } else { &mut self.to_server }
    }

    fn outgoing(&mut self, is_client: bool) -> &mut Pipe {
        self.incoming(!is_client)
    }

    fn arrival(&self) -> Instant {
        self.network.weather().arrival()
    }

    fn break_at(&mut self, at: Instant) {
        for pipe in [&mut self.to_server, &mut self.to_client] {
            pipe.broken = Some(pipe.broken.map_or(at, |before| before.min(at)));
            pipe.wake();
        }
    }
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let next = {
                let mut link = this.link.lock().unwrap();
                let pipe = link.incoming(this.is_client);
                let broken = pipe.broken;
                let in_time = |at: Instant| at <= Instant::now() && broken.is_none_or(|broken| at <= broken);
                if let Some((_, bytes)) = pipe.segments.front_mut().filter(|(at, _)| in_time(*at)) {
                    // The end is not taken off, since it is asked for again.
                    let piece = bytes.split_to(bytes.len().min(buffer.remaining()));
                    if bytes.is_empty() && !piece.is_empty() {
                        pipe.segments.pop_front();
                    }
                    pipe.queued -= piece.len();
                    buffer.put_slice(&piece);
                    pipe.writer.take().into_iter().for_each(Waker::wake);
                    return Poll::Ready(Ok(()));
                }
                if pipe.is_broken() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                pipe.reader = Some(context.waker().clone());
                pipe.segments.front().map(|(at, _)| *at).into_iter().chain(broken).min()
            };
            let Some(next) = next else { return Poll::Pending };
            this.timer.as_mut().reset(next);
            ready!(this.timer.as_mut().poll(context));
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut link = self.link.lock().unwrap();
        let at = link.arrival();
        let pipe = link.outgoing(self.is_client);
        if pipe.ended || pipe.is_broken() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.queued >= WINDOW {
            pipe.writer = Some(context.waker().clone());
            return if pipe.broken.is_some() {
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            } else {
                Poll::Pending
            };
        }
        let piece = &bytes[..bytes.len().min(WINDOW / 4)];
        if let Some(cut) = (!piece.is_empty()).then(|| pipe.push(Bytes::copy_from_slice(piece), at)).flatten() {
            link.break_at(cut);
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut link = self.link.lock().unwrap();
        let at = link.arrival();
        let pipe = link.outgoing(self.is_client);
        if !std::mem::replace(&mut pipe.ended, true) {
            pipe.push(Bytes::new(), at);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut link = self.link.lock().unwrap();
        if self.is_client {
            link.network.weather().open -= 1;
        }
        let at = link.arrival();
        let pipe = link.outgoing(self.is_client);
        let told = pipe.silent_after.is_none_or(|limit| pipe.sent < limit);
        if !std::mem::replace(&mut pipe.ended, true) {
            pipe.push(Bytes::new(), at);
        }
        if told {
            // A writer to an end that is gone gets an error.
            let pipe = link.incoming(self.is_client);
            pipe.broken = Some(pipe.broken.map_or(at, |before| before.min(at)));
            pipe.writer.take().into_iter().for_each(Waker::wake);
        }
    }
}
