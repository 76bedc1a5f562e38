//! Faults, by script or by seed.

use std::{
    collections::VecDeque,
    fmt,
    future::pending,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};

use crate::{Body, Error, ErrorKind, Transport};

/// Fault of one exchange. *Before*: the transport inside never sees the request. *After*: it has responded, so
/// the request took effect, and the caller does not learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An error of this kind, and nothing was sent. The error states that only if its kind does:
    /// [`Connect`](ErrorKind::Connect) is never sent, [`Interrupted`](ErrorKind::Interrupted) may have been, as far as
    /// anybody can tell.
    ErrorBefore(ErrorKind),
    /// The request took effect, and then an error of this kind came. A kind that means *never sent* would be false, and
    /// becomes [`Interrupted`](ErrorKind::Interrupted).
    ErrorAfter(ErrorKind),
    /// Nothing is sent, and nothing ever comes.
    HangBefore,
    /// The request took effect, and nothing ever comes.
    HangAfter,
    /// An intermediary responds in the server's place, with this status and an empty body; the server never saw the
    /// request.
    StatusBefore(StatusCode),
    /// The request took effect, and an intermediary responds with this status and an empty body: a gateway's 504.
    StatusAfter(StatusCode),
    /// The body of the response breaks off after at most this many bytes, even if it has no more.
    TruncateBody(usize),
    /// The body of the response falls silent after at most this many bytes, even if it has no more.
    StallBody(usize),
}

/// A transport whose exchanges go wrong: by a script, for one case, or by a seed, for a thousand.
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{ErrorKind, Transport, testing::{Capture, Fault, Faulty}};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Capture::answering(Response::new("done"));
/// let transport = Faulty::scripted(server.clone(), [
///     None,                                                    // the first goes well
///     Some(Fault::ErrorAfter(ErrorKind::Interrupted)),         // the response of the second is lost; the rest goes well
/// ]);
///
/// let request = Request::post("https://example.com/").body(Bytes::new())?;
/// assert!(transport.send(request.clone()).await.is_ok());
/// assert!(transport.send(request.clone()).await.is_err());
/// assert_eq!(server.requests().len(), 2, "the second took effect too");
///
/// // A fault of these in about every fourth exchange; the same seed gives the same faults.
/// let transport = Faulty::seeded(server, 42, 4, [Fault::HangAfter, Fault::ErrorBefore(ErrorKind::Connect)]);
/// # let _ = transport;
/// # Ok(())
/// # }
/// ```
pub struct Faulty<T> {
    inner: T,
    course: Mutex<Course>,
}

/// Faults that are still to come, and those that have been.
#[derive(Debug)]
struct Course {
    plan: Plan,
    history: Vec<Option<Fault>>,
}

#[derive(Debug)]
enum Plan {
    Script(VecDeque<Option<Fault>>),
    Seed { random: SplitMix, one_in: u64, faults: Vec<Fault> },
}

impl<T> Faulty<T> {
    /// The first exchange goes as the first entry of `script` says, and so on; [`None`] is an exchange that goes well, and
    /// so are all after the last entry.
    pub fn scripted(inner: T, script: impl IntoIterator<Item = impl Into<Option<Fault>>>) -> Self {
        Self::new(inner, Plan::Script(script.into_iter().map(Into::into).collect()))
    }

    /// On average one in `one_in` exchanges goes wrong, each time with one of `faults`, all as likely. Which, is decided by
    /// `seed` and by the order in which the exchanges begin, and by nothing else.
    pub fn seeded(inner: T, seed: u64, one_in: u32, faults: impl IntoIterator<Item = Fault>) -> Self {
        let (one_in, faults) = (u64::from(one_in.max(1)), faults.into_iter().collect());
        Self::new(inner, Plan::Seed { random: SplitMix(seed), one_in, faults })
    }

    fn new(inner: T, plan: Plan) -> Self {
        Self { inner, course: Mutex::new(Course { plan, history: Vec::new() }) }
    }

    /// Fault of each exchange so far, in the order in which they began.
    #[must_use]
    pub fn history(&self) -> Vec<Option<Fault>> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner).history.clone()
    }

    fn next(&self) -> Option<Fault> {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = course.plan.next();
        course.history.push(fault);
        fault
    }
}

impl Plan {
    fn next(&mut self) -> Option<Fault> {
        match self {
            Self::Script(script) => script.pop_front().flatten(),
            Self::Seed { random, one_in, faults } => {
                // Both numbers are drawn each time, so that a fault more in the list moves no other exchange's.
                let (strikes, which) = (random.next() % *one_in == 0, random.next());
                let count = u64::try_from(faults.len()).unwrap_or(u64::MAX);
                let which = usize::try_from(which.checked_rem(count)?).ok()?;
                faults.get(which).copied().filter(|_| strikes)
            }
        }
    }
}

/// Steele, Lea and Flood, *Fast splittable pseudorandom number generators* (2014): small, and good enough to pick faults.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl<T: fmt::Debug> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).field("history", &self.history()).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Faulty<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let Some(fault) = self.next() else { return self.inner.send(request).await };
        match fault {
            Fault::ErrorBefore(kind) => Err(made(kind)),
            Fault::HangBefore => pending().await,
            Fault::StatusBefore(status) => Ok(empty(status)),
            Fault::ErrorAfter(kind) => {
                self.inner.send(request).await?;
                let lie = made(kind).never_sent();
                Err(made(if lie { ErrorKind::Interrupted } else { kind }))
            }
            Fault::HangAfter => {
                self.inner.send(request).await?;
                pending().await
            }
            Fault::StatusAfter(status) => {
                self.inner.send(request).await?;
                Ok(empty(status))
            }
            Fault::TruncateBody(left) => {
                Ok(self.inner.send(request).await?.map(|body| Cut::wrap(body, left, End::Break)))
            }
            Fault::StallBody(left) => Ok(self.inner.send(request).await?.map(|body| Cut::wrap(body, left, End::Stall))),
        }
    }
}

fn made(kind: ErrorKind) -> Error {
    Error::new(kind).context("made by a test")
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A body that gives `left` bytes more, and then breaks or falls silent.
struct Cut {
    body: Body,
    left: usize,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Break,
    Stall,
    Over,
}

impl Cut {
    fn wrap(body: Body, left: usize, end: End) -> Body {
        Body::new(Self { body, left, end })
    }
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        while self.left > 0 {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    let Ok(mut data) = frame.into_data() else { continue };
                    data.truncate(self.left);
                    self.left -= data.len();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.left = 0,
            }
        }
        match self.end {
            End::Stall => Poll::Pending,
            End::Break => {
                self.end = End::Over;
                Poll::Ready(Some(Err(made(ErrorKind::Interrupted))))
            }
            End::Over => Poll::Ready(None),
        }
    }
}
