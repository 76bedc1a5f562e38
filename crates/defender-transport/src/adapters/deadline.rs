//! Time limits for a response: until it comes, and while it is silent.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, uri::Authority};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{
    Body, Clock, Error, ErrorKind, Transport,
    clock::Sleep,
    extensions::{self, Read, SendBefore, SendState, Timeouts},
    transport::SendFuture,
};

/// Ends an exchange that takes too long: until the response begins, between two parts of its body, or as a whole.
///
/// | limit | from | to | default |
/// |---|---|---|---|
/// | `head` | the request is sent | the head of the response | 30 s |
/// | `idle` | a reader who waits for more of the body | at least one byte of it, or its end | 30 s |
/// | `total` | the request is sent | the end of the body | none |
///
/// A request's own [`Timeouts`] override those of the layer ([`times`](Self::times)), each for itself. A body under [`Read::Stream`] is not bounded by
/// `total`, since its reader decides how long that takes; a download of hours ends when it falls silent. Time in which
/// the reader does not poll the body does not count as silence, so a slow reader causes no timeout. A body that arrives byte by
/// byte, each just before `idle` is over, is ended by `total`, and by the reader's size limit.
///
/// `total` here limits one exchange. A layer that retries, and so decides the time of the whole call, passes down the
/// remaining time in the request's `Timeouts`.
///
/// A limit that runs out is [`ErrorKind::Timeout`], and the message names the limit; the exchange is dropped with it. The
/// request may have taken effect, so [`Error::never_sent`] is false, unless `total` was zero to begin with: then nothing
/// is sent. A request with a body that still waited for a connection or for a free stream, as a transport reports by
/// [`SendState`], counts as never sent too: that is [`ErrorKind::Connect`]. Over HTTP/2 its head may still leave, but no body does, so
/// that nothing is processed.
///
/// A request that is sent later than its [`SendBefore`] allows fails, and was never sent.
///
/// Time is a [`Clock`]'s. While nothing waits, no timer runs: a response that is there at once costs none.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// # #[cfg(feature = "testing")] {
/// use defender_transport::{ErrorKind, Transport, TransportExt, extensions::Timeouts, testing::{ManualClock, Never}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = ManualClock::new();
/// let transport = Never.deadline(clock.clone()).times(Timeouts::default().head(Duration::from_secs(10)));
/// let request = http::Request::get("https://example.com/").body(Bytes::new()).unwrap();
///
/// let error = clock.run(transport.send(request)).await.unwrap_err();      // takes no time
/// assert_eq!(error.kind(), ErrorKind::Timeout);
/// assert_eq!(error.to_string(), "timed out: waiting 10s for the head of the response from example.com");
/// # }
/// # main() }
/// ```
#[derive(Debug)]
pub struct Deadline<T> {
    inner: T,
    clock: Arc<dyn Clock>,
    times: Timeouts,
    codec: Option<Codec>,
}

/// A layer beneath, as two functions, so that it needs no future of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codec {
    /// Changes a request before it is sent.
    pub(super) request: fn(&mut Request<Bytes>),
    /// Changes a response before it is read.
    pub(super) response: fn(&mut Response<Body>),
}

/// Default of the limits `head` and `idle`.
const DEFAULT: Duration = Duration::from_secs(30);

impl<T> Deadline<T> {
    /// Wraps `inner` with the default limits.
    pub fn new(inner: T, clock: impl Clock + 'static) -> Self {
        Self { inner, clock: Arc::new(clock), times: Timeouts::default(), codec: None }
    }

    /// Puts a layer between `inner` and this one.
    #[cfg(feature = "compression")]
    pub(super) fn over(mut self, codec: Codec) -> Self {
        self.codec = Some(codec);
        self
    }

    /// The layer's own limits, of those that are set in `times`; the rest stays as it was. [`Duration::MAX`] is no limit.
    #[must_use]
    pub fn times(mut self, times: Timeouts) -> Self {
        self.times = either(times, self.times);
        self
    }
}

/// Limits of `first`; those that it leaves open are of `second`.
fn either(first: Timeouts, second: Timeouts) -> Timeouts {
    Timeouts { head: first.head.or(second.head), idle: first.idle.or(second.idle), total: first.total.or(second.total) }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Deadline<T> {
    fn send<'a, 'f>(&'a self, mut request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let own = extensions::of(&request).copied().unwrap_or_default();
        let times = either(own, self.times);
        let streamed = matches!(extensions::of(&request), Some(Read::Stream));
        let host = Host(request.uri().authority().cloned());
        if times.total.is_some_and(|total| total.is_zero()) {
            let error = Error::new(ErrorKind::Timeout).context(format!("before anything was sent to {host}"));
            return Box::pin(std::future::ready(Err(error.not_sent())));
        }
        if let Some(&SendBefore(end)) = request.extensions().get()
            && self.clock.elapsed() >= end
        {
            let why = format!("the permit of the quota lapsed before anything was sent to {host}");
            return Box::pin(std::future::ready(Err(Error::new(ErrorKind::Timeout).context(why).not_sent())));
        }
        let state = (!request.body().is_empty()).then(SendState::default);
        if let Some(state) = &state {
            request.extensions_mut().insert(state.clone());
        }
        if let Some(codec) = self.codec {
            (codec.request)(&mut request);
        }
        let mut exchange = self.inner.send(request);
        Box::pin(async move {
            let begin = self.clock.elapsed();
            let ends = |limit: Duration| Limit { limit, end: begin.saturating_add(limit) };
            let head = ends(times.head.unwrap_or(DEFAULT));
            let total = times.total.map(ends);
            let first = total.filter(|total| total.end <= head.end).unwrap_or(head);

            let mut patience = Timer::default();
            let mut now = Some(begin);
            let response = poll_fn(|context| match exchange.as_mut().poll(context) {
                Poll::Pending => {
                    let now = now.take().unwrap_or_else(|| self.clock.elapsed());
                    if patience.is_over(&*self.clock, first.end, now, context) {
                        return Poll::Ready(Err(first.limit));
                    }
                    Poll::Pending
                }
                Poll::Ready(response) => Poll::Ready(Ok(response)),
            });
            let mut outcome = response.await.unwrap_or_else(|limit| {
                if state.is_some_and(|state| state.give_up()) {
                    let why =
                        format!("to {host}: no connection or stream was free within {limit:?}, so nothing was processed; try again later");
                    return Err(Error::new(ErrorKind::Connect).context(why).for_being_late());
                }
                let waiting = format!("waiting {limit:?} for the head of the response from {host}");
                Err(Error::new(ErrorKind::Timeout).context(waiting))
            });
            let Ok(response) = &mut outcome else { return outcome };
            if let Some(codec) = self.codec {
                (codec.response)(response);
            }
            let body = response.body_mut();
            let ahead = if streamed || body.is_end_stream() { Poll::Pending } else { first_piece(body).await };
            let ahead = match ahead {
                Poll::Ready(None) => {
                    *body = Body::empty();
                    return outcome;
                }
                Poll::Pending if body.is_end_stream() => return outcome,
                Poll::Ready(Some(Ok(frame))) if body.is_end_stream() => match frame.into_data() {
                    Ok(whole) => {
                        *body = Body::from(whole);
                        return outcome;
                    }
                    Err(trailers) => Poll::Ready(Some(Ok(trailers))),
                },
                ahead => ahead,
            };
            let idle = times.idle.unwrap_or(DEFAULT);
            let total = total.filter(|_| !streamed);
            *body = Body::new(Watched {
                body: Some(std::mem::take(body)),
                ahead,
                clock: Arc::clone(&self.clock),
                idle,
                total,
                host,
                since: None,
                timer: Timer::default(),
            });
            outcome
        })
    }
}

/// The response to one look at a body.
type Piece = Poll<Option<Result<Frame<Bytes>, Error>>>;

/// Takes the part of `body` that is there without waiting. A short body has mostly come with its head, and is whole with its
/// first piece; a whole body needs no watch over the rest.
async fn first_piece(body: &mut Body) -> Piece {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *body).poll_frame(context))).await
}

/// A limit of time, and when it is reached by the clock's own time.
#[derive(Clone, Copy, Debug)]
struct Limit {
    limit: Duration,
    end: Duration,
}

/// Whom a message names: host and port, and never the password that a URL may hold.
struct Host(Option<Authority>);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(authority) = &self.0 else { return f.write_str("a URL without a host") };
        f.write_str(authority.host())?;
        authority.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A sleep that begins when it is first needed, and the end that it was begun for.
#[derive(Default)]
struct Timer(Option<(Duration, Sleep)>);

impl Timer {
    /// Returns true if `end` is reached `now`; if not, `context` is woken when it is.
    ///
    /// The end is put off with each piece that comes. A sleep costs more than a piece does, so one for an earlier end goes
    /// on, and is followed by another when it is over.
    fn is_over(&mut self, clock: &dyn Clock, end: Duration, mut now: Duration, context: &mut Context<'_>) -> bool {
        loop {
            if end <= now {
                return true;
            }
            let kept = self.0.take().filter(|&(until, _)| until <= end);
            let (until, sleep) = self.0.insert(kept.unwrap_or_else(|| (end, clock.sleep_until(end))));
            match sleep.as_mut().poll(context) {
                Poll::Pending => return false,
                Poll::Ready(()) if *until == end => return true,
                Poll::Ready(()) => self.0 = None,
            }
            now = clock.elapsed();
        }
    }
}

/// A body that may not be silent for too long.
struct Watched {
    /// `None` once it ended or was given up.
    body: Option<Body>,
    /// First piece, read before the reader asked, if it was there.
    ahead: Piece,
    clock: Arc<dyn Clock>,
    idle: Duration,
    total: Option<Limit>,
    host: Host,
    /// Since when the reader waits for a byte.
    since: Option<Duration>,
    timer: Timer,
}

impl Watched {
    /// Gives up the body, with the exchange behind it.
    fn end(&mut self) {
        self.body = None;
        self.timer = Timer::default();
    }

    /// The limit that is reached while the reader waits; if none, `context` is woken when one is.
    fn silent(&mut self, context: &mut Context<'_>) -> Option<Error> {
        let now = self.clock.elapsed();
        let end = self.since.get_or_insert(now).saturating_add(self.idle);
        let total = self.total.filter(|total| total.end < end);
        let over = self.timer.is_over(&*self.clock, total.map_or(end, |total| total.end), now, context);
        over.then(|| {
            let said = || format!("the body from {} was silent for {:?}", self.host, self.idle);
            total.map_or_else(|| Error::new(ErrorKind::Timeout).context(said()), |total| self.late(total))
        })
    }

    fn late(&self, total: Limit) -> Error {
        let said = format!("the whole response from {} was not there after {:?}", self.host, total.limit);
        Error::new(ErrorKind::Timeout).context(said)
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let polled = match std::mem::replace(&mut this.ahead, Poll::Pending) {
            Poll::Pending => Pin::new(&mut *body).poll_frame(context),
            ahead @ Poll::Ready(_) => ahead,
        };
        let over = match &polled {
            // Frames of no bytes are silence too, or they could keep a connection for ever.
            Poll::Ready(Some(Ok(frame))) if !frame.data_ref().is_some_and(Bytes::is_empty) => {
                this.since = None;
                // A whole body is in time.
                let total = this.total.filter(|_| !body.is_end_stream());
                total.filter(|total| total.end <= this.clock.elapsed()).map(|total| this.late(total))
            }
            Poll::Pending | Poll::Ready(Some(Ok(_))) => this.silent(context),
            Poll::Ready(None | Some(Err(_))) => {
                this.end();
                None
            }
        };
        match over {
            Some(error) => {
                this.end();
                Poll::Ready(Some(Err(error)))
            }
            None => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_pending() && self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint);
        let Poll::Ready(Some(Ok(frame))) = &self.ahead else { return left };
        let ahead = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        let mut hint = SizeHint::new();
        hint.set_lower(left.lower().saturating_add(ahead));
        if let Some(upper) = left.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
    }
}
