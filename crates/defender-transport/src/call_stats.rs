//! Counters of a call, for the code that observes it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Counters of one call, shared by the request, its attempts and the code that built it.
///
/// [`Paced`](crate::Paced) counts the attempts of a request that has a [`RateLimitScope`](crate::extensions::RateLimitScope).
/// [`Retrying`](crate::Retrying) keeps the extension for each attempt, so that the counters are those of the whole call. Without
/// this extension nothing is counted.
///
/// ```
/// use bytes::Bytes;
/// # #[cfg(feature = "testing")] {
/// use defender_transport::{
///     Transport, TransportExt,
///     extensions::{CallStats, RateLimitScope},
///     testing::{Capture, ManualClock},
/// };
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let busy = Response::builder().status(429).body("")?;
/// let (server, clock) = (Capture::in_turn([busy, Response::new("")]), ManualClock::new());
/// let transport = server.paced(clock.clone()).retrying(clock.clone());
///
/// let stats = CallStats::default();
/// let scope = RateLimitScope { key: "things".into(), limits: [].into() };
/// let request = Request::get("https://example.com/").extension(scope).extension(stats.clone()).body(Bytes::new())?;
/// clock.run(transport.send(request)).await?;
/// // A 429 without `Retry-After` closes the gate for a minute.
/// assert_eq!((stats.attempts(), stats.throttled(), stats.queue_wait().as_secs()), (2, 1, 59));
/// # Ok(())
/// # }
/// # main().unwrap() }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallStats(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    attempts: AtomicU32,
    throttled: AtomicU32,
    /// In nanoseconds.
    queue_wait: AtomicU64,
}

impl CallStats {
    /// Returns the number of attempts that left the queue.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts.load(Ordering::Relaxed)
    }

    /// Returns the number of responses with the status 429.
    #[must_use]
    pub fn throttled(&self) -> u32 {
        self.0.throttled.load(Ordering::Relaxed)
    }

    /// Returns the time that all attempts together have waited in the queue, a wait that failed included.
    #[must_use]
    pub fn queue_wait(&self) -> Duration {
        Duration::from_nanos(self.0.queue_wait.load(Ordering::Relaxed))
    }

    /// Counts an attempt that leaves the queue.
    pub(crate) fn count_attempt(&self) {
        self.0.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a 429.
    pub(crate) fn count_throttled(&self) {
        self.0.throttled.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a wait in the queue.
    pub(crate) fn add_queue_wait(&self, waited: Duration) {
        let waited = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.0.queue_wait.fetch_add(waited, Ordering::Relaxed);
    }
}
