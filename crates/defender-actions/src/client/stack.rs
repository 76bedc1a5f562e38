//! The order of the layers between the facade and the transport. It is decided here and nowhere else.
//!
//! From the transport outwards:
//!
//! | layer | reason for its place |
//! |---|---|
//! | send times | next to the transport, so that they are exact |
//! | redirect | refuses redirects before another layer sees them |
//! | decompress | limits count decompressed bytes |
//! | deadline | ends an attempt that takes too long |
//! | trace | shows each attempt, also one that the deadline ended |
//! | foreign responses | reads the body inside the attempt, so that a broken body or a proxy's response fails the attempt |
//! | write intent | right before the request: what waits for the quota or a token was never sent, and needs no entry in the journal |
//! | authorized | after the queue, so that no token expires while it waits |
//! | paced | each attempt waits for the quota, of this client or of a store |
//! | retrying | sends again |

use std::{sync::Arc, time::Duration};

use defender_auth::{Authorized, TokenCredential};
use defender_transport::{Clock, Error, QuotaStore, Retry, Transport, TransportExt, extensions::Timeouts};
use http::Uri;

use crate::{
    Observer,
    client::{foreign_response::RejectForeignResponses, scrub::Scrubbed, send_times::RecordSendTimes},
    journal::write_intent::WriteIntent,
    observe::tokens::ObserveTokens,
};

/// Settings of the layers.
pub(crate) struct Settings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Longest time from sending a request to the head of its response.
    pub(crate) longest_attempt: Duration,
}

/// Store of the quota, and the first part of its keys.
pub(crate) struct SharedQuota {
    pub(crate) store: Arc<dyn QuotaStore>,
    pub(crate) owner: String,
}

impl Settings {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Returns the retry policy, within the time limit of a whole call.
    pub(crate) fn retry(&self) -> Retry {
        self.timeouts.total.map_or(self.retry, |total| self.retry.total(total))
    }
}

/// Returns the stack for calls of the API.
pub(crate) fn api(
    transport: Arc<dyn Transport>,
    settings: &Settings,
    credential: Arc<dyn TokenCredential>,
    base: &Uri,
    quota: Option<SharedQuota>,
) -> Result<Arc<dyn Transport>, Error> {
    let clock = || settings.clock();
    let transport = RecordSendTimes::new(transport, clock());
    let transport = transport.redirected().decompressed().deadline(clock()).times(settings.timeouts);
    #[cfg(feature = "tracing")]
    let transport = transport.traced(clock());
    let attempt = RejectForeignResponses::new(transport, clock());
    let paced = Authorized::new(WriteIntent::new(attempt, clock()), credential, base)?.clock(clock()).paced(clock());
    let paced = match settings.timeouts.total {
        Some(total) => paced.total(total),
        None => paced,
    };
    let paced = match quota {
        Some(SharedQuota { store, owner }) => paced.longest_attempt(settings.longest_attempt).store(store, owner),
        None => paced,
    };
    Ok(paced.retrying(clock()).policy(settings.retry()).shared())
}

/// Returns the stack for token requests. They have no quota and no token. The credential retries by itself, since an assertion or a
/// code may be used once.
pub(crate) fn tokens(transport: Arc<dyn Transport>, settings: &Settings) -> Arc<dyn Transport> {
    let clock = || settings.clock();
    let transport = transport.redirected().decompressed().deadline(clock()).times(settings.timeouts);
    #[cfg(feature = "tracing")]
    let transport = transport.traced(clock());
    // A transport of the caller may quote the request in its errors.
    let transport = Scrubbed(transport.buffered());
    match &settings.observer {
        Some(observer) => ObserveTokens::new(transport, clock(), Arc::clone(observer)).shared(),
        None => transport.shared(),
    }
}

/// Returns the stack for downloads by a link. The link is the permission, so they have no token and no quota. The body stays as it
/// is stored, since its hash may be known. The time depends on the size, so only silence ends a download.
pub(crate) fn downloads(transport: Arc<dyn Transport>, settings: &Settings) -> Arc<dyn Transport> {
    let clock = || settings.clock();
    let transport = transport.redirected().deadline(clock()).times(settings.timeouts);
    #[cfg(feature = "tracing")]
    let transport = transport.traced(clock());
    let retry = settings.retry().no_reauth();
    transport.buffered().retrying(clock()).policy(retry).shared()
}
