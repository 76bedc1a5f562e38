//! What a description of a credential needs to become one.

use std::sync::Arc;

use defender_transport::{Clock, Transport};

use crate::Cloud;

/// The wire, the clock and the cloud of a credential.
///
/// Authority and audience are settings of their own and never derived from the API's address: a token for the audience
/// `https://api.securitycenter.microsoft.com` is the right one for `https://api.security.microsoft.com`.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) managed_identity_transport: Option<Arc<dyn Transport>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) authority: String,
    pub(crate) audience: String,
}

impl Context {
    /// A context with `cloud`'s own authority and audience.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, cloud: Cloud) -> Self {
        Self {
            transport,
            managed_identity_transport: None,
            clock,
            authority: cloud.authority().to_owned(),
            audience: cloud.audience().to_owned(),
        }
    }

    /// Another authority, such as `https://login.microsoftonline.com`. It must be https.
    #[must_use]
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = authority.into();
        self
    }

    /// Another audience, without `/.default`. Its last slash, if it has one, counts.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Another wire for the endpoints of managed identities alone.
    ///
    /// They are on this machine or on its own link, speak plain http, and must not be reached through a proxy, which none
    /// of the rest should be allowed. Without it, they are asked over the context's own wire, which may refuse http.
    #[must_use]
    pub fn managed_identity_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.managed_identity_transport = Some(transport);
        self
    }
}
