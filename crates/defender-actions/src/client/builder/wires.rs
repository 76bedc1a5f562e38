//! The transport of a client that is given none.

use std::sync::Arc;

use defender_transport::Transport;

use crate::{Error, ErrorKind};

/// A wire, and perhaps another for managed identities.
pub(super) type Wires = (Arc<dyn Transport>, Option<Arc<dyn Transport>>);

pub(super) fn default_wires(builder: defender_transport::HyperTransportBuilder) -> Result<Wires, Error> {
    let wire = builder.build();
    let wire =
        wire.map_err(|source| Error::new(ErrorKind::Configuration).context("the transport").caused_by(source))?;
    let link_local = wire.link_local();
    Ok((Arc::new(wire), Some(Arc::new(link_local))))
}
