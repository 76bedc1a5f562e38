//! The settings of a client.

mod account;
mod base_url;
mod build;
mod debug;
#[cfg(feature = "hyper")]
mod default_transport;
mod environment;
mod shared;
#[cfg(feature = "hyper")]
mod transport_settings;
mod wrap;

use std::{sync::Arc, time::Duration};

use defender_auth::{Cloud, CredentialContext, IntoCredential, Region, TokenCredential};
use defender_model::{Action, ActionInfo};
use defender_transport::{Clock, Retry, Transport, extensions::Timeouts};
use serde::de::DeserializeOwned;

use self::account::Account;
use crate::{BodyLimits, DefenderClient, ExternalIds, Observer, wait::poll::PollPolicy};

type Connect = Box<dyn FnOnce(&CredentialContext) -> Result<Arc<dyn TokenCredential>, defender_auth::Error> + Send>;
/// Layer of the caller around a transport.
type Wrap = Box<dyn Fn(Arc<dyn Transport>) -> Arc<dyn Transport> + Send>;

impl DefenderClient {
    /// Returns a builder. Only the credential is required. [`DefenderClientBuilder::from_env`] returns one with the settings of the
    /// environment.
    pub fn builder() -> DefenderClientBuilder {
        DefenderClientBuilder::new()
    }
}

/// Builder of a [`DefenderClient`]. Only the credential is required.
///
/// ```no_run
/// use std::time::Duration;
///
/// use defender_actions::{DefenderClient, auth::{Cloud, ClientSecretCredential}};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let defender = DefenderClient::builder()
///     .credential(ClientSecretCredential::from_env()?)
///     .cloud(Cloud::Gcc)
///     .total_timeout(Duration::from_secs(60))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a client exists only after `build`"]
pub struct DefenderClientBuilder {
    credential: Option<Connect>,
    account: Account,
    transport: Option<Arc<dyn Transport>>,
    managed_identity: Option<Arc<dyn Transport>>,
    wraps: Vec<Wrap>,
    clock: Option<Arc<dyn Clock>>,
    cloud: Cloud,
    base_url: Option<String>,
    prefix: String,
    authority: Option<String>,
    audience: Option<String>,
    timeouts: Timeouts,
    retry: Retry,
    poll: PollPolicy,
    limits: BodyLimits,
    own_actions: Vec<ActionInfo>,
    external_ids: Option<ExternalIds>,
    refresh_margin: Option<Duration>,
    observer: Option<Arc<dyn Observer>>,
    #[cfg(feature = "hyper")]
    hyper: defender_transport::HyperTransportBuilder,
}

impl DefenderClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            credential: None,
            account: Account::default(),
            transport: None,
            managed_identity: None,
            wraps: Vec::new(),
            clock: None,
            cloud: Cloud::default(),
            base_url: None,
            prefix: "/api".to_owned(),
            authority: None,
            audience: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            poll: PollPolicy::default(),
            limits: BodyLimits::default(),
            own_actions: Vec::new(),
            external_ids: None,
            refresh_margin: None,
            observer: None,
            #[cfg(feature = "hyper")]
            hyper: defender_transport::HyperTransport::builder(),
        }
    }

    /// Sets the credential: a description such as [`ClientSecretCredential`](defender_auth::ClientSecretCredential), which gets
    /// the transport, the clock and the cloud of this client, or a finished [`TokenCredential`].
    pub fn credential(mut self, credential: impl IntoCredential + Send + 'static) -> Self {
        self.account.identity = credential.identity();
        self.credential = Some(Box::new(|context| credential.into_credential(context)));
        self
    }

    /// Sets the transport of the client and of its credential. Default:
    /// [`HyperTransport`](defender_transport::HyperTransport) with the root certificates of the platform.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Sets a separate transport for the endpoints of managed identities, which use plain http on this machine or its link.
    ///
    /// Default: the default transport, with plain http to these endpoints allowed and without a proxy; or the transport that
    /// [`transport`](Self::transport) sets. See [`CredentialContext::managed_identity_transport`].
    pub fn managed_identity_transport(mut self, transport: impl Transport + 'static) -> Self {
        self.managed_identity = Some(Arc::new(transport));
        self
    }

    /// Sets the clock. Default: [`SystemClock`](defender_transport::SystemClock).
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Sets the cloud, and with it the base URL, the authority and the audience that are not set separately. Default: the
    /// commercial cloud.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// Sets the host of the API: `https://host` or `https://host:port`.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// Sets the base URL to that of a region of the commercial cloud, whose host is nearer.
    pub fn region(self, region: Region) -> Self {
        self.base_url(region.base_url())
    }

    /// Sets the first part of each path. Default: `/api`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the host of the token endpoint: `https://host`.
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Sets the audience of the tokens, without `/.default`. It is not derived from the base URL: the audience of
    /// `https://api.security.microsoft.com` is `https://api.securitycenter.microsoft.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets the time limit for the head of a response. Default: 30 s.
    pub fn head_timeout(mut self, head: Duration) -> Self {
        self.timeouts = self.timeouts.head(head);
        self
    }

    /// Sets the longest silence inside the body of a response. Default: 30 s.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.timeouts = self.timeouts.idle(idle);
        self
    }

    /// Sets the time limit of a whole call, queue and retries included, for calls that set none. Default: 5 min.
    pub fn total_timeout(mut self, total: Duration) -> Self {
        self.timeouts = self.timeouts.total(total);
        self
    }

    /// Sets the largest number of attempts of a request that may be sent again. Default: 5.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.retry = self.retry.attempts(attempts);
        self
    }

    /// Sets the random delays between attempts: the upper bound of the first delay, which doubles with each attempt, and the
    /// maximum of that bound. Default: 0.5 s and 30 s.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.retry = self.retry.backoff(first, longest);
        self
    }

    /// Sets the seed of the random delays between attempts, for a test that must be repeatable.
    pub fn backoff_seed(mut self, seed: u64) -> Self {
        self.retry = self.retry.seed(seed);
        self
    }

    /// Sets the delays between two polls of a wait: the first one, which grows by half with each poll, and the longest.
    /// Default: 2 s and 30 s.
    pub fn wait_poll(mut self, first: Duration, longest: Duration) -> Self {
        self.poll.first = first;
        self.poll.longest = longest;
        self
    }

    /// Sets the time limit of waits that set none. Default: 1 h.
    pub fn wait_at_most(mut self, at_most: Duration) -> Self {
        self.poll.at_most = at_most;
        self
    }

    /// Sets the time that the record of a new action may take to appear. For this time a wait takes a 404 as *not there yet*, and a
    /// search after a lost response goes on. Default: 120 s, which is the time that other clients allow.
    pub fn visibility_timeout(mut self, visibility_timeout: Duration) -> Self {
        self.poll.visibility_timeout = visibility_timeout;
        self
    }

    /// Sets the external ids of actions whose caller sets none. Default: [`ExternalIds::AsGiven`], so that bodies are sent as
    /// documented.
    ///
    /// With [`ExternalIds::Generated`] a lost response is recovered for certain wherever the service echoes the id.
    pub fn external_ids(mut self, external_ids: ExternalIds) -> Self {
        self.external_ids = Some(external_ids);
        self
    }

    /// Sets the time before its expiry at which a token is replaced. Default: 5 min. It applies to descriptions of credentials; a
    /// finished [`TokenCredential`] has its own.
    pub fn refresh_margin(mut self, margin: Duration) -> Self {
        self.refresh_margin = Some(margin);
        self
    }

    /// Sets the observer of the ends of calls, actions, waits and token requests, for metrics. Default: none.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Sets the largest responses that are read. Default: 4 MiB for one machine, action or file, 64 MiB for a page, 1 MiB for a
    /// token.
    pub fn body_limits(mut self, limits: BodyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds an action that [`ACTIONS`](defender_model::ACTIONS) does not have. An action of a listed type is ignored.
    ///
    /// With it, [`recover`](DefenderClient::recover) applies the action's own [`particulars`](Action::particulars) to an intent, raw
    /// calls use the action's quota and name its permissions, and a preflight of all actions checks it. To perform the action, this
    /// is not needed.
    pub fn action<A: Action + DeserializeOwned>(mut self) -> Self {
        self.own_actions.push(ActionInfo::of::<A>());
        self
    }
}
