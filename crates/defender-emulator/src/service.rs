//! What all handlers share.

use std::{fmt, sync::Arc, time::Duration};

use defender_transport::Clock;

use crate::{actions::Actions, deflate::Deflate, identity::Identity, jwt::TokenKey, ledger::Ledger};

/// The state and the settings of one emulator.
pub(crate) struct Service {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) base_url: String,
    pub(crate) identity: Identity,
    pub(crate) key: TokenKey,
    /// What goes into the tokens.
    pub(crate) roles: Vec<&'static str>,
    pub(crate) token_lifetime: Duration,
    pub(crate) deflate: Deflate,
    pub(crate) actions: Actions,
    pub(crate) ledger: Ledger,
}

impl fmt::Debug for Service {
    /// Without the secret, and without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("base_url", &self.base_url)
            .field("tenant_id", &self.identity.tenant_id)
            .field("client_id", &self.identity.client_id)
            .finish_non_exhaustive()
    }
}
