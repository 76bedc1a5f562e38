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
//! | authorized | after the queue, so that no token expires while it waits |
//! | paced | each attempt waits for the quota |
//! | retrying | sends again |

use std::sync::Arc;

use defender_auth::{Authorized, TokenCredential};
use defender_transport::{Clock, Error, Retry, Transport, TransportExt, extensions::Timeouts};
use http::Uri;

use crate::{
    Observer,
    client::{foreign_response::RejectForeignResponses, scrub::Scrubbed, send_times::RecordSendTimes},
    observe::tokens::ObserveTokens,
};

/// Settings of the layers.
pub(crate) struct Settings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    pub(crate) observer: Option<Arc<dyn Observer>>,
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
) -> Result<Arc<dyn Transport>, Error> {
    let clock = || settings.clock();
    let transport = RecordSendTimes::new(transport, clock());
    let transport = transport.redirected().decompressed().deadline(clock()).times(settings.timeouts);
    #[cfg(feature = "tracing")]
    let transport = transport.traced(clock());
    let paced =
        Authorized::new(RejectForeignResponses::new(transport), credential, base)?.clock(clock()).paced(clock());
    let paced = match settings.timeouts.total {
        Some(total) => paced.total(total),
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
