//! The order of the layers between the facade and the wire, decided here and nowhere else.

use std::sync::Arc;

use defender_auth::{Authorized, TokenCredential};
use defender_transport::{Error, Transport, TransportExt};
use http::Uri;

/// What calls to the API travel through: the token is put on last, so that no layer outside it sees one.
pub(crate) fn api(
    wire: Arc<dyn Transport>,
    credential: Arc<dyn TokenCredential>,
    base: &Uri,
) -> Result<Arc<dyn Transport>, Error> {
    Ok(Authorized::new(wire.decompressed(), credential, base)?.shared())
}

/// What calls for tokens travel through.
pub(crate) fn tokens(wire: Arc<dyn Transport>) -> Arc<dyn Transport> {
    wire.decompressed().shared()
}
