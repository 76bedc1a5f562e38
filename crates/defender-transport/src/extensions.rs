//! Facts about a call for the layers, in the request's extensions.
//!
//! These types are a contract between the code that builds a request and the layers beneath. A transport that drops them
//! degrades safely: the reading in the column *absent* is always the careful one.
//!
//! | extension | states | absent means |
//! |---|---|---|
//! | [`Idempotency`] | whether this may be sent twice | `method.is_safe()` |
//! | [`RateLimitScope`] | which queue, and which windows it keeps to | not paced |
//! | [`Read`] | collect the body inside the attempt, or hand it on | `Whole` of the default limit |
//! | [`UrlTemplate`] | the path with its ids left out, for traces | the path is not traced |
//! | [`Timeouts`] | this call's own time limits | the layer's |
//! | [`Resends`] | number of earlier attempts, for traces | 0 |
//! | [`Unauthorized`] | the response to the previous attempt was 401: set another token | the cached token may be used |
//! | [`SendState`] | whether the request has been sent | nobody needs to know |
//! | [`Secrets`](crate::Secrets) | the secrets of the request, which no trace may show if a response echoes them | the values of its sensitive headers |
//!
//! [`SendState`] is put on by [`Deadline`](crate::Deadline). [`Resends`] and [`Unauthorized`] are put on by
//! [`Retrying`](crate::Retrying), which also adds to a *response's* extensions the number of
//! attempts: [`Attempts`].

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

/// May this request be sent again when it is not known whether the server processed it?
///
/// The operation decides this, and not a layer: only the author of the request knows its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Twice does no more than once.
    Idempotent,
    /// Twice may do it twice.
    NonIdempotent,
}

impl Idempotency {
    /// Mark of `request`; without one, its method decides.
    #[must_use]
    pub fn of<B>(request: &http::Request<B>) -> Self {
        request.extensions().get().copied().unwrap_or(if request.method().is_safe() {
            Self::Idempotent
        } else {
            Self::NonIdempotent
        })
    }
}

/// At most [`calls`](Self::calls) in any span of [`per`](Self::per).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Number of calls in the span. Zero is read as one, since a window that holds none never opens.
    pub calls: u32,
    /// The span.
    pub per: Duration,
}

/// Key of a quota: requests with equal keys share one quota and one queue.
///
/// The key is opaque to the transport.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaKey(Cow<'static, str>);

impl QuotaKey {
    /// A key that is known at compile time. It needs no allocation.
    #[must_use]
    pub const fn from_static(key: &'static str) -> Self {
        Self(Cow::Borrowed(key))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for QuotaKey {
    fn from(key: &'static str) -> Self {
        Self::from_static(key)
    }
}

impl From<String> for QuotaKey {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}

impl From<Cow<'static, str>> for QuotaKey {
    fn from(key: Cow<'static, str>) -> Self {
        Self(key)
    }
}

impl fmt::Display for QuotaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The quota that a request counts against, and the limits of that quota, all of which hold at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RateLimitScope {
    /// Requests with equal keys share one queue.
    pub key: QuotaKey,
    /// The limits. Without any, no request waits. Requests with equal keys have equal limits: those of the first request hold
    /// for the queue.
    pub limits: Cow<'static, [RateLimit]>,
}

/// Handling of the response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Read {
    /// Read it whole inside the attempt, up to this many bytes, so that a body that breaks is an attempt that broke.
    Whole(usize),
    /// Hand it on as it comes.
    Stream,
}

impl Default for Read {
    /// Whole, up to 4 MiB.
    fn default() -> Self {
        Self::Whole(4 << 20)
    }
}

/// The path with placeholders for its ids, such as `/api/machines/{id}/isolate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UrlTemplate(pub Cow<'static, str>);

/// Time limits of one call. A limit that is `None` is the layer's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Timeouts {
    /// From sending the request to the head of the response.
    pub head: Option<Duration>,
    /// The longest silence inside a body.
    pub idle: Option<Duration>,
    /// The whole call, queue and retries included. A layer that has spent some of it hands on what is left.
    pub total: Option<Duration>,
}

impl Timeouts {
    /// Bounds the whole call.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    /// Bounds the wait for the head of the response.
    #[must_use]
    pub fn head(mut self, head: Duration) -> Self {
        self.head = Some(head);
        self
    }

    /// Bounds the silence inside a body.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }
}

/// Number of earlier attempts of this request: 0 at the first. Set by the layer that retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resends(pub u32);

/// Number of attempts that a response took, itself included. In the extensions of a response, unless it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempts(pub u32);

impl Attempts {
    /// Number of attempts that `response` took.
    #[must_use]
    pub fn of<B>(response: &http::Response<B>) -> u32 {
        response.extensions().get().map_or(1, |Self(attempts)| *attempts)
    }
}

/// State of sending a request, shared by the layer that may give it up and the transport that sends it.
///
/// A request may wait for a name, for a connection, or over HTTP/2 for a free stream. A request that is given up before its
/// body is sent was certainly not processed, and will not be: [`give_up`](Self::give_up) and [`leave`](Self::leave) exclude each other.
/// A transport that does not know this extension never calls [`wait`](Self::wait), and then nothing is certain.
#[derive(Clone, Debug, Default)]
pub struct SendState(Arc<AtomicU8>);

impl SendState {
    const UNKNOWN: u8 = 0;
    const WAITING: u8 = 1;
    const LEFT: u8 = 2;
    const GIVEN_UP: u8 = 3;

    /// For a transport: the request waits, and [`leave`](Self::leave) will be called before the first byte of its body is sent.
    pub fn wait(&self) {
        let _known = self.turn(Self::UNKNOWN, Self::WAITING);
    }

    /// For a transport: the body is about to be sent. False if the request was given up, and the body must not be sent.
    #[must_use]
    pub fn leave(&self) -> bool {
        self.turn(Self::WAITING, Self::LEFT) || self.0.load(Ordering::SeqCst) != Self::GIVEN_UP
    }

    /// For a layer that waits no longer. True if the body has certainly not been sent, and will not be.
    #[must_use]
    pub fn give_up(&self) -> bool {
        self.turn(Self::WAITING, Self::GIVEN_UP) || self.0.load(Ordering::SeqCst) == Self::GIVEN_UP
    }

    fn turn(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Mark of an attempt after a 401: the refused token must be replaced.
///
/// A layer that puts tokens on leaves in the *response's* extensions its notes on the refused attempt, such as
/// the token that it used, and finds them here. Without such a layer, this does nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unauthorized {
    /// The response's `WWW-Authenticate`; several are joined by a comma, which means the same.
    pub challenge: Option<String>,
    /// The response's extensions.
    pub left: http::Extensions,
}

impl Unauthorized {
    /// Collects the facts of `response` that the next attempt needs.
    #[must_use]
    pub fn of<B>(response: &http::Response<B>) -> Self {
        let values = response.headers().get_all(http::header::WWW_AUTHENTICATE).iter();
        let challenges: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        let challenge = Some(challenges.join(", ")).filter(|challenge| !challenge.is_empty());
        Self { challenge, left: response.extensions().clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_either_leaves_or_is_given_up() {
        let unknown = SendState::default();
        assert!(!unknown.give_up() && unknown.leave() && !unknown.give_up());
        let left = SendState::default();
        left.wait();
        assert!(left.leave() && left.leave() && !left.give_up());
        let given_up = SendState::default();
        given_up.wait();
        assert!(given_up.give_up() && given_up.give_up() && !given_up.leave() && !given_up.leave());
    }

    #[test]
    fn unmarked_request_is_resent_if_safe() {
        let get = http::Request::get("/").body(()).unwrap();
        let post = http::Request::post("/").body(()).unwrap();
        let marked = http::Request::post("/").extension(Idempotency::Idempotent).body(()).unwrap();
        assert_eq!(
            [Idempotency::of(&get), Idempotency::of(&post), Idempotency::of(&marked)],
            [Idempotency::Idempotent, Idempotency::NonIdempotent, Idempotency::Idempotent]
        );
    }
}
