//! The one transport of all tenants of a file.

use std::{fmt, sync::Arc};

use defender_actions::{DefenderClientBuilder, transport::Transport};

/// Transport that the clients of all tenants share. The default one is built at the first use.
#[derive(Clone, Default)]
pub(super) struct SharedTransport {
    given: Option<Arc<dyn Transport>>,
    #[cfg(feature = "hyper")]
    default: Arc<std::sync::Mutex<Option<Built>>>,
}

/// The default transport, and the one for managed identities.
#[cfg(feature = "hyper")]
type Built = (Arc<dyn Transport>, Arc<dyn Transport>);

impl SharedTransport {
    pub(super) fn of(transport: impl Transport + 'static) -> Self {
        Self {
            given: Some(Arc::new(transport)),
            #[cfg(feature = "hyper")]
            default: Arc::default(),
        }
    }

    /// Sets the transport of a client. The error is a sentence.
    pub(super) fn set(&self, builder: DefenderClientBuilder) -> Result<DefenderClientBuilder, String> {
        match &self.given {
            Some(transport) => Ok(builder.transport(Arc::clone(transport))),
            None => self.set_default(builder),
        }
    }

    #[cfg(feature = "hyper")]
    fn set_default(&self, builder: DefenderClientBuilder) -> Result<DefenderClientBuilder, String> {
        let mut default = self.default.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (transport, managed) = if let Some(built) = &*default {
            built.clone()
        } else {
            let transport = defender_transport::HyperTransport::builder().build();
            let transport = transport.map_err(|error| format!("the transport cannot be built: {error}"))?;
            let managed: Arc<dyn Transport> = Arc::new(transport.link_local());
            default.insert((Arc::new(transport), managed)).clone()
        };
        Ok(builder.transport(transport).managed_identity_transport(managed))
    }

    #[cfg(not(feature = "hyper"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn set_default(&self, _: DefenderClientBuilder) -> Result<DefenderClientBuilder, String> {
        let why = "this program is built without the feature `hyper`; set a transport with `TenantsFile::transport`";
        Err(why.to_owned())
    }
}

impl fmt::Debug for SharedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTransport").field("is_default", &self.given.is_none()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(feature = "hyper", any(feature = "aws-lc-rs", feature = "ring")))]
    #[test]
    fn clients_share_the_default_transport() {
        let shared = super::SharedTransport::default();
        let builders = [(); 3].map(|()| shared.set(defender_actions::DefenderClient::builder()).unwrap());
        let built = shared.default.lock().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&built.as_ref().unwrap().0), 1 + builders.len());
    }
}
