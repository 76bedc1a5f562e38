//! The order of the layers between the facade and the wire, decided here and nowhere else.
//!
//! From the wire outwards: the departure is noted; redirects are refused; bodies are decompressed; what takes too long ends; each try is seen, also
//! one that ended so; a body is read inside its try, so that one that breaks is a try that broke, and a response that the service
//! did not write is an error of its try; the token is put on last, after the queue, so that none expires while it waits; each
//! sending is paced; and what may be sent again is.

use std::sync::Arc;

use defender_auth::{Authorized, TokenCredential};
use defender_transport::{Clock, Error, Retry, Transport, TransportExt, extensions::Timeouts};
use http::Uri;

use crate::client::{authored::Authored, scrub::Scrubbed, send_times::RecordSendTimes};

/// What the layers are set to.
pub(crate) struct Settings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
}

impl Settings {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The policy for what may be sent again, within the time of a whole call.
    pub(crate) fn retry(&self) -> Retry {
        self.timeouts.total.map_or(self.retry, |total| self.retry.total(total))
    }
}

/// What calls to the API travel through.
pub(crate) fn api(
    wire: Arc<dyn Transport>,
    settings: &Settings,
    credential: Arc<dyn TokenCredential>,
    base: &Uri,
) -> Result<Arc<dyn Transport>, Error> {
    let clock = || settings.clock();
    let wire = RecordSendTimes::new(wire, clock());
    let wire = wire.redirected().decompressed().deadline(clock()).times(settings.timeouts);
    #[cfg(feature = "tracing")]
    let wire = wire.traced(clock());
    let paced = Authorized::new(Authored::new(wire), credential, base)?.clock(clock()).paced(clock());
    let paced = match settings.timeouts.total {
        Some(total) => paced.total(total),
        None => paced,
    };
    Ok(paced.retrying(clock()).policy(settings.retry()).shared())
}

/// What calls for tokens travel through: they are of no scope, nobody puts a token on them, and who asks for a token asks
/// again by itself, since an assertion is good once and a code too.
pub(crate) fn tokens(wire: Arc<dyn Transport>, settings: &Settings) -> Arc<dyn Transport> {
    let clock = || settings.clock();
    let wire = wire.redirected().decompressed().deadline(clock()).times(settings.timeouts);
    #[cfg(feature = "tracing")]
    let wire = wire.traced(clock());
    // A wire that is not ours may quote the request in its errors.
    Scrubbed(wire.buffered()).shared()
}

/// What downloads by a link travel through. The link is the permission: nobody puts a token on them, and they are of no scope.
/// What comes is what is stored, whose hash may be known, so that nothing is decompressed. How long it takes is up to its size,
/// so that only silence ends it.
pub(crate) fn downloads(wire: Arc<dyn Transport>, settings: &Settings) -> Arc<dyn Transport> {
    let clock = || settings.clock();
    let wire = wire.redirected().deadline(clock()).times(settings.timeouts);
    #[cfg(feature = "tracing")]
    let wire = wire.traced(clock());
    let retry = settings.retry().no_reauth();
    wire.buffered().retrying(clock()).policy(retry).shared()
}
