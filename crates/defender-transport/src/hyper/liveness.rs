//! Hosts that have fallen silent while requests wait for them.
//!
//! Over HTTP/2 all requests to a host share a connection. When its path dies, the connection takes requests until its ping
//! times out, and each of them is lost. So a host that has sent nothing for a while, though it was asked and pinged, gets no
//! further request over its old connection.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::Clock;

/// Time between pings of a server while a request waits for it.
pub(crate) const PING: Duration = Duration::from_secs(3);

/// Time limit for the response to a ping, after which the connection is closed: with [`PING`], less than the 30 s that the head
/// of a response has. A shorter time would end requests that wait behind a large upload.
pub(crate) const PONG: Duration = Duration::from_secs(17);

/// Time for which a server that is pinged may send nothing before new requests go over a new connection.
const SILENT: Duration = Duration::from_secs(6);

/// The hosts that a client speaks to.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    /// Nearly every client has no more, and each request looks here: without a lock.
    first: [OnceLock<Arc<Host>>; 4],
    more: Mutex<Vec<Arc<Host>>>,
}

impl Liveness {
    /// The host of this name and port.
    pub(crate) fn host(&self, authority: &str) -> Arc<Host> {
        for place in &self.first {
            let host = place.get_or_init(|| Host::of(authority));
            if host.authority == authority {
                return Arc::clone(host);
            }
        }
        let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = more.iter().find(|host| host.authority == authority) {
            return Arc::clone(host);
        }
        let host = Host::of(authority);
        more.push(Arc::clone(&host));
        host
    }
}

/// A host, and when it was heard. Times are a clock's own, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Host {
    authority: String,
    /// True if requests share a connection to it, which is pinged.
    shared: AtomicBool,
    /// Number of requests that wait for the head of a response.
    waiting: AtomicUsize,
    /// Since when at least one has waited.
    since: AtomicU64,
    heard: AtomicU64,
}

impl Host {
    fn of(authority: &str) -> Arc<Self> {
        Arc::new(Self { authority: authority.to_owned(), ..Self::default() })
    }

    /// A connection that requests share has come about, `now`.
    pub(crate) fn becomes_shared(&self, now: Duration) {
        // Requests may have waited for it for a while, and their times were not recorded.
        self.heard.fetch_max(millis(now), Ordering::Relaxed);
        self.shared.store(true, Ordering::Release);
    }

    /// Returns true if requests share a connection to it. Times count only then, and a look at the clock is dear.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// Notes that bytes came from it. Without a waiting request, nothing is noted: the count begins with the wait.
    pub(crate) fn was_heard(&self, clock: &dyn Clock) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.heard.fetch_max(millis(clock.elapsed()), Ordering::Relaxed);
        }
    }

    /// Returns true if requests have waited for it, in vain so far, for so long that its connection may be dead.
    pub(crate) fn is_silent(&self, now: Duration) -> bool {
        let last = self.heard.load(Ordering::Relaxed).max(self.since.load(Ordering::Relaxed));
        self.is_shared()
            && self.waiting.load(Ordering::Relaxed) > 0
            && millis(now).saturating_sub(last) > millis(SILENT)
    }

    /// Notes that a request waits for it, until the returned guard is dropped.
    pub(crate) fn wait(self: Arc<Self>, now: Duration) -> Waiting {
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.since.fetch_max(millis(now), Ordering::Relaxed);
        }
        Waiting(self)
    }
}

/// A request that waits for a host.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Host>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::testing::ManualClock;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn unheard_host_is_silent_while_awaited() {
        let liveness = Liveness::default();
        let host = liveness.host("api.example");
        assert!(!host.is_silent(at(1_000)), "nobody waits");
        let first = Arc::clone(&host).wait(at(1_000));
        assert!(!host.is_silent(at(1_100)), "it is pinged over a shared connection only");
        host.becomes_shared(at(1_000));
        assert!(!host.is_silent(at(1_006)) && host.is_silent(at(1_007)));
        let second = Arc::clone(&host).wait(at(1_007));
        assert!(host.is_silent(at(1_007)), "a further request changes nothing");
        let clock = ManualClock::new();
        clock.advance(at(1_008));
        host.was_heard(&clock);
        assert!(!host.is_silent(at(1_014)) && host.is_silent(at(1_015)));
        drop((first, second));
        clock.advance(at(992));
        host.was_heard(&clock);
        assert!(!host.is_silent(at(2_000)));
        let _third = Arc::clone(&host).wait(at(3_000));
        assert!(!host.is_silent(at(3_001)));
        assert!(Arc::ptr_eq(&host, &liveness.host("api.example")) && !liveness.host("other").is_silent(at(9_000)));
    }

    #[test]
    fn silence_counts_from_the_shared_connection() {
        let host = Liveness::default().host("api.example");
        let _waiting = Arc::clone(&host).wait(Duration::ZERO);
        host.becomes_shared(at(1_000));
        assert!(!host.is_silent(at(1_006)) && host.is_silent(at(1_007)));
    }

    #[test]
    fn each_of_many_hosts_is_one() {
        let liveness = Liveness::default();
        let names: Vec<_> = (0..20).map(|number| format!("host-{number}.example")).collect();
        let hosts: Vec<_> = names.iter().map(|name| liveness.host(name)).collect();
        for (name, host) in names.iter().zip(&hosts) {
            assert!(Arc::ptr_eq(&liveness.host(name), host) && host.authority == *name, "{name}");
        }
    }
}
