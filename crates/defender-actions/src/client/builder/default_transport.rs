//! The default transport of a client.

use std::sync::Arc;

use defender_transport::{HyperTransportBuilder, Transport};

use crate::{Error, ErrorKind};

/// The default transport, and the one for managed identities.
pub(super) type Transports = (Arc<dyn Transport>, Option<Arc<dyn Transport>>);

pub(super) fn default_transports(builder: HyperTransportBuilder) -> Result<Transports, Error> {
    let transport = builder
        .build()
        .map_err(|source| Error::new(ErrorKind::Configuration).context("the transport").caused_by(source))?;
    let link_local = transport.link_local();
    Ok((Arc::new(transport), Some(Arc::new(link_local))))
}
