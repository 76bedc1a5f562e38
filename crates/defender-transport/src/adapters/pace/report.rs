//! Reports of the waits in a queue: the counters of the call, and events of `tracing`.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::{
    Clock,
    extensions::{self, CallStats, RateLimitScope},
};

#[cfg(feature = "tracing")]
const TARGET: &str = "defender_transport::queue";

/// Report of one attempt.
pub(super) struct Report {
    /// Counters of the call with the start of the wait, if its caller asked for them.
    stats: Option<(CallStats, Duration)>,
}

impl Report {
    /// Begins the report of an attempt that enters the queue.
    pub(super) fn begin(request: &Request<Bytes>, clock: &dyn Clock) -> Self {
        let stats = extensions::of::<CallStats, _>(request);
        Self { stats: stats.map(|stats| (stats.clone(), clock.elapsed())) }
    }

    /// Reports that the attempt has left the queue.
    pub(super) fn left(&self, request: &Request<Bytes>, waited: Duration) {
        if let Some((stats, _)) = &self.stats {
            stats.add_queue_wait(waited);
            stats.count_attempt();
        }
        #[cfg(feature = "tracing")]
        if waited > Duration::from_secs(1) {
            tracing::info!(target: TARGET, scope = scope(request), waited = waited.as_secs_f64(), "waited for a turn");
        }
        #[cfg(not(feature = "tracing"))]
        let _ = request;
    }

    /// Reports that the turn does not come in time. Returns the name of the queue.
    pub(super) fn too_late<'r>(&self, request: &'r Request<Bytes>, clock: &dyn Clock, again: Duration) -> &'r str {
        if let Some((stats, began)) = &self.stats {
            stats.add_queue_wait(clock.elapsed().saturating_sub(*began));
        }
        let scope = scope(request);
        #[cfg(feature = "tracing")]
        tracing::warn!(target: TARGET, scope, retry_after = again.as_secs_f64(), "no turn within the time of the call");
        #[cfg(not(feature = "tracing"))]
        let _ = again;
        scope
    }

    /// Reports a 429.
    pub(super) fn throttled(&self) {
        if let Some((stats, _)) = &self.stats {
            stats.count_throttled();
        }
    }
}

/// Returns the name of the queue of a request.
fn scope(request: &Request<Bytes>) -> &str {
    extensions::of::<RateLimitScope, _>(request).map_or("", |scope| scope.key.as_str())
}
