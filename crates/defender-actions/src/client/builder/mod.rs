//! How a client is set up.

mod base_url;
mod shown;
#[cfg(feature = "hyper")]
mod wires;

use std::{sync::Arc, time::Duration};

use defender_auth::{Cloud, CredentialContext, IntoCredential, Region, TokenCredential};
use defender_model::{Action, ActionInfo};
use defender_transport::{Clock, Retry, SystemClock, Transport, extensions::Timeouts};
use serde::de::DeserializeOwned;

use self::base_url::base;
#[cfg(feature = "hyper")]
use self::wires::default_wires;
use crate::{
    DefenderClient, Error, ErrorKind, ExternalIds,
    client::{
        Inner,
        deprecation::Announcements,
        limits::Limits,
        service_clock::ServiceTime,
        stack::{self, Settings},
    },
    submit::{look::Looks, principal::Principal, registry::SubmissionRegistry},
    wait::poll::PollPolicy,
};

/// Time to the head of a response where none is set, as `defender-transport` has it.
const LONGEST_HEAD: Duration = Duration::from_secs(30);

type Connecting = Box<dyn FnOnce(&CredentialContext) -> Result<Arc<dyn TokenCredential>, defender_auth::Error> + Send>;

/// Sets up a [`DefenderClient`]. A credential is all that it must be given.
#[must_use = "there is no client until `build`"]
pub struct DefenderClientBuilder {
    credential: Option<Connecting>,
    transport: Option<Arc<dyn Transport>>,
    managed_identity: Option<Arc<dyn Transport>>,
    clock: Option<Arc<dyn Clock>>,
    cloud: Cloud,
    base_url: Option<String>,
    prefix: String,
    authority: Option<String>,
    audience: Option<String>,
    timeouts: Timeouts,
    retry: Retry,
    patience: PollPolicy,
    limits: Limits,
    own_actions: Vec<ActionInfo>,
    external_ids: ExternalIds,
    refresh_margin: Option<Duration>,
    token_limit: Option<usize>,
    #[cfg(feature = "hyper")]
    wire: defender_transport::HyperTransportBuilder,
}

impl DefenderClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            credential: None,
            transport: None,
            managed_identity: None,
            clock: None,
            cloud: Cloud::default(),
            base_url: None,
            prefix: "/api".to_owned(),
            authority: None,
            audience: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            patience: PollPolicy::default(),
            limits: Limits::default(),
            own_actions: Vec::new(),
            external_ids: ExternalIds::default(),
            refresh_margin: None,
            token_limit: None,
            #[cfg(feature = "hyper")]
            wire: defender_transport::HyperTransport::builder(),
        }
    }

    /// Who asks: a description such as [`ClientSecretCredential`](defender_auth::ClientSecretCredential), which is given
    /// this client's own wire, clock and cloud, or anything that is a [`TokenCredential`] already.
    pub fn credential(mut self, credential: impl IntoCredential + Send + 'static) -> Self {
        self.credential = Some(Box::new(|context| credential.into_credential(context)));
        self
    }

    /// The wire, of this client and of its credential. Default: [`HyperTransport`](defender_transport::HyperTransport)
    /// with the platform's roots.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Another wire for the endpoints of managed identities alone, which speak plain http on this machine or its own link.
    /// Default: with the default wire, one like it that allows that and no more, and uses no proxy; with a
    /// [`transport`](Self::transport) of one's own, that one. See [`CredentialContext::managed_identity_transport`].
    pub fn managed_identity_transport(mut self, transport: impl Transport + 'static) -> Self {
        self.managed_identity = Some(Arc::new(transport));
        self
    }

    /// The application's own part of the `User-Agent`, such as `contoso-soar/2.1`. Of the default wire only.
    #[cfg(feature = "hyper")]
    pub fn application(mut self, application: impl Into<String>) -> Self {
        self.wire = self.wire.application(application);
        self
    }

    /// Whose certificates the servers' must come from. Of the default wire only. Default: the platform's.
    #[cfg(feature = "hyper")]
    pub fn roots(mut self, roots: defender_transport::Roots) -> Self {
        self.wire = self.wire.roots(roots);
        self
    }

    /// Which cryptography TLS uses. Of the default wire only. Default: what the process has installed, else aws-lc-rs, else
    /// ring.
    #[cfg(feature = "hyper")]
    pub fn crypto(mut self, crypto: defender_transport::Crypto) -> Self {
        self.wire = self.wire.crypto(crypto);
        self
    }

    /// The proxy that connections go through. Of the default wire only. Default: the environment's, by `HTTPS_PROXY`,
    /// `ALL_PROXY` and `NO_PROXY`.
    #[cfg(feature = "hyper")]
    pub fn proxy(mut self, proxy: defender_transport::Proxy) -> Self {
        self.wire = self.wire.proxy(proxy);
        self
    }

    /// The certificate by which this client is known to servers or gateways that ask for one. Of the default wire only.
    /// Default: none.
    #[cfg(feature = "hyper")]
    pub fn client_identity(mut self, identity: defender_transport::ClientIdentity) -> Self {
        self.wire = self.wire.client_identity(identity);
        self
    }

    /// How long a connection may take to come about: name, TCP, proxy and TLS together. Of the default wire only. Default: 10 s.
    #[cfg(feature = "hyper")]
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.wire = self.wire.connect_timeout(connect_timeout);
        self
    }

    /// How long an unused connection is kept. Of the default wire only. Default: 60 s.
    #[cfg(feature = "hyper")]
    pub fn pool_idle(mut self, pool_idle: Duration) -> Self {
        self.wire = self.wire.pool_idle(pool_idle);
        self
    }

    /// How long the head of an answer may take to come. Default: 30 s.
    pub fn head_timeout(mut self, head: Duration) -> Self {
        self.timeouts = self.timeouts.head(head);
        self
    }

    /// The longest silence inside the body of an answer. Default: 30 s.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.timeouts = self.timeouts.idle(idle);
        self
    }

    /// How long a whole call may take, queue and resendings included, where it does not say so itself. Default: 5 min.
    pub fn total_timeout(mut self, total: Duration) -> Self {
        self.timeouts = self.timeouts.total(total);
        self
    }

    /// How often a call is sent at most, where it may be sent again. Default: 5.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.retry = self.retry.attempts(attempts);
        self
    }

    /// The bound of the random wait before the first resending, which doubles with each, and what it never passes. Default:
    /// 0.5 s and 30 s.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.retry = self.retry.backoff(first, longest);
        self
    }

    /// The first pause between two reads of a wait, which grows by half with each, and the longest. Default: 2 s and 30 s.
    pub fn wait_poll(mut self, first: Duration, longest: Duration) -> Self {
        self.patience.first = first;
        self.patience.longest = longest;
        self
    }

    /// How long a wait goes on that does not say so itself. Default: 1 h.
    pub fn wait_at_most(mut self, at_most: Duration) -> Self {
        self.patience.at_most = at_most;
        self
    }

    /// How long a record may take to appear: for so long a wait takes a 404 for *not there yet*, and a lost answer is looked for.
    /// Default: 120 s, which is what other clients allow for.
    pub fn visibility_timeout(mut self, grace: Duration) -> Self {
        self.patience.grace = grace;
        self
    }

    /// External ids of actions whose caller sets none. Default: [`ExternalIds::AsGiven`], so that the body is sent as it is
    /// documented.
    ///
    /// With [`ExternalIds::Generated`] a lost response is recovered for certain wherever the service echoes the id.
    pub fn external_ids(mut self, external_ids: ExternalIds) -> Self {
        self.external_ids = external_ids;
        self
    }

    /// How long before its end a token is replaced. Default: 5 min. Of a description of a credential only: what is a live one
    /// already knows for itself.
    pub fn refresh_margin(mut self, margin: Duration) -> Self {
        self.refresh_margin = Some(margin);
        self
    }

    /// The largest answers that are read, in bytes, compressed ones as they are unpacked: about one thing, as a page of a list, and
    /// of the token endpoint. Default: 4 MiB, 64 MiB and 1 MiB. A larger one is an error.
    pub fn body_limits(mut self, entity: usize, page: usize, token: usize) -> Self {
        self.limits = Limits { entity, page };
        self.token_limit = Some(token);
        self
    }

    /// Makes an action known that [`ACTIONS`](defender_model::ACTIONS) does not have: an intent of it is then recovered by its own
    /// [`particulars`](Action::particulars), as those of the listed ones are, raw calls keep to its quota and name its
    /// permissions, and a preflight of everything checks it. To perform it, this is not needed. A listed type stays as it is listed.
    pub fn action<A: Action + DeserializeOwned>(mut self) -> Self {
        self.own_actions.push(ActionInfo::of::<A>());
        self
    }

    /// How long things may take, where a call does not say. Defaults: 30 s for the head of an answer, 30 s of silence inside a
    /// body, 5 min for a whole call, queue and resendings included.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How often to send again what may be sent again. Default: five sendings in all, with random waits of up to 0.5 s, 1 s, 2 s
    /// and 4 s in between. Its time for the whole call is that of [`timeouts`](Self::timeouts), if one is set there.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The clock. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The cloud, which gives the base URL, the authority and the audience where they are not set by themselves.
    /// Default: the commercial one.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// Where the API is, as `https://host` or `https://host:port`.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// A region of the commercial cloud, for an API host that is nearer: the same as its base URL.
    pub fn region(self, region: Region) -> Self {
        self.base_url(region.base_url())
    }

    /// What each path begins with. Default: `/api`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Where tokens come from, as `https://host`.
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// For whom tokens are, without `/.default`. Not derived from the base URL: the audience
    /// `https://api.securitycenter.microsoft.com` is the right one for `https://api.security.microsoft.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Makes the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`], and the message or its source says what is wrong and what to do.
    pub fn build(self) -> Result<DefenderClient, Error> {
        let wrong = |what: &str| Error::new(ErrorKind::Configuration).context(what);
        let connecting =
            self.credential.ok_or_else(|| wrong("it has no credential; give it one with `.credential(..)`"))?;
        let base = base(self.base_url.as_deref().unwrap_or(self.cloud.base_url()), &self.prefix)?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        #[cfg(feature = "hyper")]
        let (wire, link_local) = match self.transport {
            Some(wire) => (wire, None),
            None => default_wires(self.wire.clock(Arc::clone(&clock)))?,
        };
        #[cfg(not(feature = "hyper"))]
        let (wire, link_local) = match self.transport {
            Some(wire) => (wire, None),
            None => {
                return Err(wrong("it has no wire; turn on the feature `hyper`, or give it one with `.transport(..)`"));
            }
        };
        let settings = Settings { clock: Arc::clone(&clock), timeouts: self.timeouts, retry: self.retry };
        let mut context =
            CredentialContext::new(stack::tokens(Arc::clone(&wire), &settings), Arc::clone(&clock), self.cloud)
                .retry(settings.retry());
        if let Some(authority) = self.authority {
            context = context.authority(authority);
        }
        if let Some(wire) = self.managed_identity.or(link_local) {
            context = context.managed_identity_transport(stack::tokens(wire, &settings));
        }
        let audience = self.audience.unwrap_or_else(|| self.cloud.audience().to_owned());
        context = context.audience(audience.as_str());
        if let Some(margin) = self.refresh_margin {
            context = context.refresh_margin(margin);
        }
        if let Some(limit) = self.token_limit {
            context = context.token_limit(limit);
        }
        let credential = connecting(&context).map_err(|source| wrong("").caused_by(source))?;
        let downloads = stack::downloads(Arc::clone(&wire), &settings);
        let transport = stack::api(wire, &settings, Arc::clone(&credential), &base)
            .map_err(|source| wrong("the base URL").caused_by(source))?;
        let base = base.to_string().trim_end_matches('/').to_owned();
        Ok(DefenderClient::from(Inner {
            transport,
            downloads,
            clock,
            credential,
            audience,
            base,
            service_time: ServiceTime::default(),
            claimed: SubmissionRegistry::default(),
            looks: Looks::default(),
            principal: Principal::default(),
            external_ids: self.external_ids,
            total_timeout: settings.retry().total_timeout(),
            longest_attempt: self.timeouts.head.unwrap_or(LONGEST_HEAD),
            announcements: Announcements::default(),
            patience: self.patience,
            limits: self.limits,
            own_actions: self.own_actions,
        }))
    }
}
