//! The client.

use std::sync::Arc;

use defender_model::{ActionId, MachineId};
use defender_transport::{Clock, Transport};

use crate::{ActionHandle, DefenderClientBuilder, MachineHandle};

/// A client of the response actions of Microsoft Defender for Endpoint.
///
/// Clones are cheap and share everything. It is used inside a tokio runtime, unless it is given a transport and a clock
/// that need none.
#[derive(Clone, Debug)]
pub struct DefenderClient(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The base URL with the prefix and without a slash at its end.
    pub(crate) base: String,
}

impl DefenderClient {
    /// A client to be set up.
    pub fn builder() -> DefenderClientBuilder {
        DefenderClientBuilder::new()
    }

    /// The machine `id`. Nothing is sent, and nothing says that there is such a machine.
    #[must_use]
    pub fn machine(&self, id: MachineId) -> MachineHandle {
        MachineHandle::new(self.clone(), id)
    }

    /// The action `id`, which may be from long ago or from another process. Nothing is sent.
    #[must_use]
    pub fn action(&self, id: ActionId) -> ActionHandle {
        ActionHandle::new(self.clone(), id)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl From<Inner> for DefenderClient {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}
