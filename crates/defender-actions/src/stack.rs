//! The order of the layers between the facade and the wire, decided here and nowhere else.
//!
//! From the wire outwards: redirects are refused; bodies are decompressed; what takes too long ends; each try is seen, also
//! one that ended so; a body is read inside its try, so that one that breaks is a try that broke; the token is put on last,
//! after the queue, so that none expires while it waits; each sending is paced; and what may be sent again is.

use std::sync::Arc;

use defender_auth::{Authorized, TokenCredential};
use defender_transport::{Clock, Error, Retry, Transport, TransportExt};
use http::Uri;

/// What calls to the API travel through.
pub(crate) fn api(
    wire: Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
    credential: Arc<dyn TokenCredential>,
    base: &Uri,
) -> Result<Arc<dyn Transport>, Error> {
    let clock = || Arc::clone(clock);
    let wire = wire.redirected().decompressed().deadline(clock());
    #[cfg(feature = "tracing")]
    let wire = wire.traced(clock());
    Ok(Authorized::new(wire.collected(), credential, base)?.paced(clock()).retrying(clock()).shared())
}

/// What calls for tokens travel through: they are of no lane, and nobody puts a token on them.
pub(crate) fn tokens(wire: Arc<dyn Transport>, clock: &Arc<dyn Clock>) -> Arc<dyn Transport> {
    let clock = || Arc::clone(clock);
    let wire = wire.redirected().decompressed().deadline(clock());
    #[cfg(feature = "tracing")]
    let wire = wire.traced(clock());
    let retry = Retry::default().unauthorized_is_final();
    wire.collected().retrying(clock()).policy(retry).shared()
}
