//! The connections that are kept, for each runtime, and which of them a request gets.

use std::{
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::uri::Authority;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::runtime;

use super::{
    body::ChunkedBody,
    connection::Connector,
    liveness::{Host, Liveness, PING, PONG, Waiting},
    parts::Parts,
    tls,
};

/// hyper-util adds the time to the present, and panics if there is no such moment.
const LONGEST_IDLE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) type HyperClient = Client<Connector, ChunkedBody>;

fn client(parts: &Parts, connector: Connector) -> HyperClient {
    let mut client = Client::builder(TokioExecutor::new());
    client
        .pool_idle_timeout(parts.pool_idle.min(LONGEST_IDLE))
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        // Over HTTP/2 all requests share a connection, and one that fell silent would take each of them to its timeout.
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        // Less would be a panic.
        .http1_max_buf_size(usize::try_from(parts.max_head).unwrap_or(usize::MAX).max(8 << 10))
        // TLS copies the bytes that it encrypts, and takes one piece more easily than two.
        .http1_writev(false)
        // A load balancer's cookie that breaks the rules takes no good response with it.
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http2_max_header_list_size(parts.max_head);
    if let Some(max_headers) = parts.max_headers {
        client.http1_max_headers(max_headers);
    }
    client.build(connector)
}

/// Runtimes whose pools are kept: a program has one or two, and a suite of tests ends most of its runtimes.
const RUNTIMES: usize = 8;
/// Hosts that are known to demand HTTP/1.1.
const HOSTS: usize = 64;

/// Pools of a transport, one for each runtime.
pub(super) struct Clients {
    parts: Arc<Parts>,
    /// The latest last.
    pools: RwLock<Vec<Arc<Pool>>>,
    /// Hosts to which HTTP/1.1 is spoken though they offer HTTP/2, and whether there are any.
    plain: RwLock<Vec<Authority>>,
    any_plain: AtomicBool,
}

/// The connections of one runtime.
pub(super) struct Pool {
    runtime: runtime::Id,
    client: HyperClient,
    /// For hosts that demand HTTP/1.1.
    http_1: OnceLock<HyperClient>,
    liveness: Arc<Liveness>,
}

impl Clients {
    pub(super) fn of(parts: Arc<Parts>) -> Self {
        Self { parts, pools: RwLock::default(), plain: RwLock::default(), any_plain: AtomicBool::new(false) }
    }

    /// The pool of this runtime, and until when a request waits for `host`. Where the host is silent, it is a new pool.
    pub(super) fn pool(&self, runtime: runtime::Id, host: &Authority) -> (Arc<Pool>, Waiting) {
        // The clock is looked at only where it counts.
        let time = |known: &Host| if known.is_shared() { self.parts.clock.elapsed() } else { Duration::ZERO };
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        let found = pools.iter().find(|pool| pool.runtime == runtime).map(Arc::clone);
        drop(pools);
        let mut silent = None;
        if let Some(pool) = found {
            let known = pool.liveness.host(host.as_str());
            let now = time(&known);
            if !known.is_silent(now) {
                return (pool, known.wait(now));
            }
            silent = Some(pool);
        }
        let pool = self.fresh(runtime, silent);
        let known = pool.liveness.host(host.as_str());
        let now = time(&known);
        (pool, known.wait(now))
    }

    /// A pool for this runtime in the place of one that has fallen silent.
    fn fresh(&self, runtime: runtime::Id, silent: Option<Arc<Pool>>) -> Arc<Pool> {
        if let Some(pool) = silent {
            let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
            pools.retain(|kept| !Arc::ptr_eq(kept, &pool));
        }
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been here before.
        let found = pools.iter().find(|pool| pool.runtime == runtime).map(Arc::clone);
        found.unwrap_or_else(|| {
            let liveness = Arc::<Liveness>::default();
            let connector = Connector { parts: Arc::clone(&self.parts), liveness: Arc::clone(&liveness) };
            let client = client(&self.parts, connector);
            let pool = Arc::new(Pool { runtime, client, http_1: OnceLock::new(), liveness });
            if pools.len() >= RUNTIMES {
                pools.remove(0);
            }
            pools.push(Arc::clone(&pool));
            pool
        })
    }

    /// Client that speaks to `host`.
    pub(super) fn client<'p>(&self, pool: &'p Pool, host: &Authority) -> &'p HyperClient {
        let is_plain = self.any_plain.load(Ordering::Acquire)
            && self.plain.read().unwrap_or_else(PoisonError::into_inner).contains(host);
        if !is_plain {
            return &pool.client;
        }
        pool.http_1.get_or_init(|| {
            let parts = Arc::new(Parts { tls: tls::over_http_1(&self.parts.tls), ..Parts::clone(&self.parts) });
            client(&self.parts, Connector { parts, liveness: Arc::default() })
        })
    }

    /// Speaks HTTP/1.1 to `host` from now on.
    pub(super) fn downgrade(&self, host: &Authority) {
        let mut plain = self.plain.write().unwrap_or_else(PoisonError::into_inner);
        if !plain.contains(host) && plain.len() < HOSTS {
            plain.push(host.clone());
        }
        self.any_plain.store(true, Ordering::Release);
    }
}
