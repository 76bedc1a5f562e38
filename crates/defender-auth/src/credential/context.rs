//! Surroundings of a live credential: transport, clock, cloud and limits.

use std::{sync::Arc, time::Duration};

use defender_transport::{Clock, Retry, Transport};

use crate::{Cached, Cloud, Error, ErrorKind, TokenCredential, env_vars::AUTHORITY, token::cache::MARGIN};

/// Token hosts that belong to one cloud only. The hosts of China are listed so that they are recognized: the API does not
/// exist there. Source: <https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud>.
const KNOWN: [&str; 4] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
];

/// Transport, clock and cloud of a credential.
///
/// Authority and audience are settings of their own and never derived from the API's address: a token for the audience
/// `https://api.securitycenter.microsoft.com` is the right one for `https://api.security.microsoft.com`.
///
/// The transport must not retry: credentials retry by themselves, since each knows what may be sent twice. It
/// must not follow redirects, as the contract of [`Transport`] requires.
///
/// ```no_run
/// use std::{sync::Arc, time::Duration};
///
/// use defender_auth::{ClientSecretCredential, Cloud, CredentialContext, IntoCredential, TokenRequest};
/// use defender_transport::{Clock, Transport};
///
/// # async fn example(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Result<(), defender_auth::Error> {
/// let context = CredentialContext::new(transport, clock, Cloud::GccHigh).refresh_margin(Duration::from_secs(120));
/// let credential = ClientSecretCredential::new("contoso.com", "client-id", "secret").into_credential(&context)?;
/// let token = credential.token(&TokenRequest::new()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CredentialContext {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) managed_identity_transport: Option<Arc<dyn Transport>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retry: Retry,
    pub(crate) audience: String,
    pub(crate) token_limit: usize,
    refresh_margin: Duration,
    cloud: Cloud,
    authority: Option<String>,
}

impl CredentialContext {
    /// A context with `cloud`'s own authority and audience.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, cloud: Cloud) -> Self {
        Self {
            transport,
            managed_identity_transport: None,
            clock,
            retry: Retry::default(),
            audience: cloud.audience().to_owned(),
            token_limit: 1 << 20,
            refresh_margin: MARGIN,
            cloud,
            authority: None,
        }
    }

    /// Another authority, such as `https://login.microsoftonline.com`. It must be https. It comes before one that the
    /// environment names (`AZURE_AUTHORITY_HOST`).
    #[must_use]
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Sets another audience, without `/.default`. A final slash is part of the audience.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Retries of the token endpoint if it is not reached, fails (5xx) or reports too many
    /// requests (429). Default: [`Retry::default`]. The hosts of managed identities have rules of their own.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Time before its end at which a token is replaced. Default: 5 minutes.
    #[must_use]
    pub fn refresh_margin(mut self, margin: Duration) -> Self {
        self.refresh_margin = margin;
        self
    }

    /// Size limit of a token endpoint's response, in bytes. Default: 1 MiB.
    #[must_use]
    pub fn token_limit(mut self, bytes: usize) -> Self {
        self.token_limit = bytes;
        self
    }

    /// Scope that stands for every permission that was granted: the audience, and `/.default`. A slash at the end of the
    /// audience counts.
    #[must_use]
    pub fn scope(&self) -> String {
        format!("{}/.default", self.audience.strip_suffix("/.default").unwrap_or(&self.audience))
    }

    /// Clock by which tokens end.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Wraps a live credential in [`Cached`], with the clock and the refresh margin of this context: the last step of
    /// [`IntoCredential`](crate::IntoCredential) for a credential of your own.
    #[must_use]
    pub fn cached(&self, live: impl TokenCredential + 'static) -> Arc<dyn TokenCredential> {
        Arc::new(self.cache(live))
    }

    /// As [`cached`](Self::cached), for a credential that takes as long as `refresh_wait` for a token.
    #[cfg(feature = "azure-cli")]
    pub(crate) fn cached_slowly(
        &self,
        live: impl TokenCredential + 'static,
        refresh_wait: Duration,
    ) -> Arc<dyn TokenCredential> {
        Arc::new(self.cache(live).refresh_wait(refresh_wait))
    }

    fn cache<C: TokenCredential>(&self, live: C) -> Cached<C> {
        Cached::new(live, Arc::clone(&self.clock)).margin(self.refresh_margin)
    }

    /// Separate transport for the endpoints of managed identities alone.
    ///
    /// These endpoints are on this machine or on its own link. They use plain http and no proxy, which no other request
    /// should be allowed. `HyperTransport::link_local` is such a transport. Without it, their requests go over the context's
    /// own transport, which may refuse http.
    #[must_use]
    pub fn managed_identity_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.managed_identity_transport = Some(transport);
        self
    }

    /// Authority that issues the tokens: from this context, else from the environment (`named`), else the cloud's own.
    ///
    /// The authority of the environment may be any host except one of another cloud, which does not know the audience.
    pub(crate) fn authority_for(&self, named: Option<&str>) -> Result<String, Error> {
        let (None, Some(named)) = (&self.authority, named) else {
            return Ok(self.authority.clone().unwrap_or_else(|| self.cloud.authority().to_owned()));
        };
        let named = named.trim().trim_end_matches('/');
        let host = named.split_once("://").map_or(named, |(_, rest)| rest).to_ascii_lowercase();
        let ours = self.cloud.authority();
        if KNOWN.contains(&host.as_str()) && !ours.ends_with(&format!("//{host}")) {
            return Err(Error::new(ErrorKind::Configuration).context(format!(
                "{AUTHORITY} is `{host}`, and the authority of the cloud is `{ours}`; choose the cloud that fits, or unset it"
            )));
        }
        Ok(if named.contains("://") { named.to_owned() } else { format!("https://{named}") })
    }
}
