//! Facts about a call for the layers, in the request's extensions.
//!
//! These types are a contract between the code that builds a request and the layers beneath. A transport that drops them
//! is safe: the meaning in the column *absent means* is always the careful one.
//!
//! | extension | states | absent means |
//! |---|---|---|
//! | [`Idempotency`] | whether the request may be sent twice | `method.is_safe()` |
//! | [`RateLimitScope`] | the queue of the request, and its limits | not paced |
//! | [`Read`] | whether the body is read inside the attempt or streamed to the caller | `Whole` of the default limit |
//! | [`UrlTemplate`] | the path with its ids left out, for traces | the path is not traced |
//! | [`Timeouts`] | this call's own time limits | the layer's |
//! | [`Resends`] | number of earlier attempts, for traces | 0 |
//! | [`Unauthorized`] | the response to the previous attempt was 401: set another token | the cached token may be used |
//! | [`SendState`] | whether the request has been sent | no layer needs this state |
//! | [`SendBefore`] | the time before which the request must be sent | it may be sent at any time |
//! | [`CallStats`] | counters of the call, for its caller | nothing is counted |
//! | [`Shared`] | extensions that many requests have in common, and a note of the caller | the request has its own extensions only |
//! | [`Secrets`](crate::Secrets) | the secrets of the request, which no trace may show if a response echoes them | the values of its sensitive headers |
//!
//! The layers look for an extension of the caller with [`of`]: on the request itself, then among those that it shares. What one layer
//! sets for another is on the request itself.
//!
//! [`Paced`](crate::Paced) counts in [`CallStats`], and sets [`SendBefore`] if it has a store. [`Deadline`](crate::Deadline) keeps to that,
//! and sets [`SendState`]. [`Retrying`](crate::Retrying) sets [`Resends`] and [`Unauthorized`], and adds the number of attempts to the
//! extensions of the *response*: [`Attempts`].

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

pub use crate::call_stats::CallStats;
/// Extension of `request`: its own, or one that it [shares](Shared).
#[must_use]
pub fn of<T: Send + Sync + 'static, B>(request: &http::Request<B>) -> Option<&T> {
    let own = request.extensions();
    own.get().or_else(|| own.get::<Shared>()?.extensions.get())
}

/// Extensions that many requests have in common, such as those of all calls of an operation, and a note for the caller's own layers.
/// An extension of the request itself comes first.
///
/// Both cost a request one allocation. Otherwise each extension costs one, and another for the copy that
/// [`Retrying`](crate::Retrying) keeps: of the 76 allocations of a call this saves 11.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// use defender_transport::extensions::{self, Idempotency, Read, Shared};
///
/// let mut common = http::Extensions::new();
/// common.insert(Idempotency::NonIdempotent);
/// common.insert(Read::Whole(1 << 20));
/// let (shared, sent) = (Shared::new(common), Arc::new(AtomicU32::new(0)));
///
/// let request = http::Request::post("https://example.com/").extension(shared.with_note(sent.clone())).extension(Read::Stream);
/// let request = request.body(()).unwrap();
/// assert_eq!(extensions::of(&request), Some(&Read::Stream));
/// assert_eq!(extensions::of(&request), Some(&Idempotency::NonIdempotent));
///
/// if let Some(sent) = extensions::note::<AtomicU32, _>(&request) {
///     sent.fetch_add(1, Ordering::Relaxed);
/// }
/// assert_eq!(sent.load(Ordering::Relaxed), 1);
/// ```
#[derive(Clone)]
pub struct Shared {
    extensions: Arc<http::Extensions>,
    note: Option<Arc<dyn Any + Send + Sync>>,
}

impl Shared {
    /// Creates extensions that requests can share.
    #[must_use]
    pub fn new(extensions: http::Extensions) -> Self {
        Self { extensions: Arc::new(extensions), note: None }
    }

    /// Adds a note: facts about one call that its caller shares with layers of its own. No layer of this crate reads them, and each
    /// attempt has the same note.
    #[must_use]
    pub fn with_note<T: Send + Sync + 'static>(&self, note: Arc<T>) -> Self {
        Self { extensions: Arc::clone(&self.extensions), note: Some(note) }
    }
}

impl fmt::Debug for Shared {
    /// Shows no note, which may have a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("extensions", &self.extensions).finish_non_exhaustive()
    }
}

/// Note of `request`, if it has one of this type: see [`Shared::with_note`].
#[must_use]
pub fn note<T: Send + Sync + 'static, B>(request: &http::Request<B>) -> Option<Arc<T>> {
    let note = request.extensions().get::<Shared>()?.note.as_ref()?;
    Arc::downcast(Arc::clone(note)).ok()
}

/// Permission to send a request again if it is not known whether the server processed it.
///
/// The operation decides this, and not a layer: only the author of the request knows its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// A second request has no further effect.
    Idempotent,
    /// A second request may have a second effect.
    NonIdempotent,
}

impl Idempotency {
    /// Mark of `request`; without one, its method decides.
    #[must_use]
    pub fn of<B>(request: &http::Request<B>) -> Self {
        of(request).copied().unwrap_or(if request.method().is_safe() { Self::Idempotent } else { Self::NonIdempotent })
    }
}

/// Limit of at most [`calls`](Self::calls) in any span of [`per`](Self::per).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Number of calls in the span. Zero counts as one, since a window without room never opens.
    pub calls: u32,
    /// The span.
    pub per: Duration,
}

/// Key of a quota: requests with equal keys share one quota and one queue.
///
/// The key is opaque to the transport.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaKey(Arc<str>);

impl QuotaKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for QuotaKey {
    fn from(key: &'static str) -> Self {
        Self(key.into())
    }
}

impl From<String> for QuotaKey {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}

impl From<Cow<'_, str>> for QuotaKey {
    fn from(key: Cow<'_, str>) -> Self {
        Self(key.into())
    }
}

impl fmt::Display for QuotaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Quota that a request counts against, with its limits. All limits apply at the same time. A clone shares the key and the limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RateLimitScope {
    /// Requests with equal keys share one queue.
    pub key: QuotaKey,
    /// The limits. Without limits, no request waits. Requests with equal keys must have equal limits: the queue uses those of
    /// the first request.
    pub limits: Arc<[RateLimit]>,
}

/// Handling of the response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Read {
    /// Reads the whole body inside the attempt, up to this many bytes, so that a broken body fails the attempt.
    Whole(usize),
    /// Streams the body to the caller.
    Stream,
}

impl Default for Read {
    /// Whole, up to 4 MiB.
    fn default() -> Self {
        Self::Whole(4 << 20)
    }
}

/// Path with placeholders for its ids, such as `/api/machines/{id}/isolate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UrlTemplate(pub Arc<str>);

/// Time limits of one call. A limit that is `None` is the layer's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Timeouts {
    /// From sending the request to the head of the response.
    pub head: Option<Duration>,
    /// The longest silence inside a body.
    pub idle: Option<Duration>,
    /// The whole call, queue and retries included. A layer that has used some of this time passes on the rest.
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

/// Number of attempts of a call, in the extensions of its response. Absent after a single attempt.
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
/// body is sent was certainly not processed, and never will be: [`give_up`](Self::give_up) and [`leave`](Self::leave) exclude
/// each other.
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

/// Time before which a request must be sent, by [`Clock::elapsed`](crate::Clock::elapsed) of the layers. Later it fails, and
/// [was never sent](crate::Error::never_sent).
///
/// A permit of a [`QuotaStore`](crate::QuotaStore) is valid for a time. A process that is suspended between the permit and the
/// request must not send the request afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendBefore(pub Duration);

/// Mark of an attempt after a 401: the refused token must be replaced.
///
/// A layer that sets tokens writes facts of the refused attempt, such as the token, into the extensions of the *response*,
/// and reads them here at the next attempt. Without such a layer, this mark has no effect.
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
