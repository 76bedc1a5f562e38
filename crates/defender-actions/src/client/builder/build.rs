//! The client that the settings describe.

use std::{sync::Arc, time::Duration};

use defender_auth::CredentialContext;
use defender_transport::SystemClock;

#[cfg(feature = "hyper")]
use super::default_transport::default_transports;
use super::{DefenderClientBuilder, base_url::base};
use crate::{
    DefenderClient, Error, ErrorKind, ExternalIds,
    client::{
        Inner,
        base_url::BaseUrl,
        deprecation::DeprecationNotices,
        operation_facts::OperationFacts,
        service_clock::ServiceTime,
        stack::{self, Settings},
    },
    submit::{
        principal::Principal, registry::SubmissionRegistry, shared_search::SharedSearch, unwritten::UnwrittenOutcomes,
    },
};

/// Time to the head of a response if none is set: the default of `defender-transport`.
const DEFAULT_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

impl DefenderClientBuilder {
    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]. The message names the invalid setting and the fix.
    pub fn build(self) -> Result<DefenderClient, Error> {
        let wrong = |what: &str| Error::new(ErrorKind::Configuration).context(what);
        let connect = self.credential.ok_or_else(|| wrong("no credential; set one with `.credential(..)`"))?;
        let base = base(self.base_url.as_deref().unwrap_or(self.cloud.base_url()), &self.prefix)?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        #[cfg(feature = "hyper")]
        let (transport, link_local) = match self.transport {
            Some(transport) => (transport, None),
            None => default_transports(self.hyper.clock(Arc::clone(&clock)))?,
        };
        #[cfg(not(feature = "hyper"))]
        let (transport, link_local) = match self.transport {
            Some(transport) => (transport, None),
            None => {
                return Err(wrong("no transport; turn on the feature `hyper`, or set one with `.transport(..)`"));
            }
        };
        let longest_attempt = self.timeouts.head.unwrap_or(DEFAULT_HEAD_TIMEOUT);
        let wrapped = |transport| self.wraps.iter().fold(transport, |inner, wrap| wrap(inner));
        let (transport, managed) = (wrapped(transport), self.managed_identity.or(link_local).map(wrapped));
        let (timeouts, retry, observer) = (self.timeouts, self.retry, self.observer);
        let settings = Settings { clock: Arc::clone(&clock), timeouts, retry, observer, longest_attempt };
        let tokens = stack::tokens(Arc::clone(&transport), &settings);
        let mut context = CredentialContext::new(tokens, Arc::clone(&clock), self.cloud)
            .retry(settings.retry())
            .token_limit(self.limits.token);
        if let Some(authority) = self.authority {
            context = context.authority(authority);
        }
        if let Some(managed) = managed {
            context = context.managed_identity_transport(stack::tokens(managed, &settings));
        }
        let audience = self.audience.unwrap_or_else(|| self.cloud.audience().to_owned());
        context = context.audience(audience.as_str());
        if let Some(margin) = self.refresh_margin {
            context = context.refresh_margin(margin);
        }
        let credential = connect(&context).map_err(|source| wrong("").caused_by(source))?;
        let downloads = stack::downloads(Arc::clone(&transport), &settings);
        let (quota, tenant_id) = (self.account.quota()?, self.account.tenant()?);
        let external_ids = self.external_ids.unwrap_or(ExternalIds::by_default(self.account.journal.is_some()));
        let journal = self.account.journal(external_ids)?;
        let actor = self.account.actor;
        let transport = stack::api(transport, &settings, Arc::clone(&credential), &base, quota)
            .map_err(|source| wrong("the base URL").caused_by(source))?;
        Ok(DefenderClient::from(Inner {
            transport,
            downloads,
            clock,
            credential,
            audience,
            base: BaseUrl::new(base),
            operation_facts: OperationFacts::new(self.limits, settings.retry().total_timeout()),
            service_time: ServiceTime::default(),
            submissions: SubmissionRegistry::default(),
            searches: SharedSearch::default(),
            principal: Principal::default(),
            external_ids,
            journal,
            unwritten: UnwrittenOutcomes::default(),
            tenant_id,
            actor,
            total_timeout: settings.retry().total_timeout(),
            longest_attempt,
            notices: DeprecationNotices::default(),
            poll: self.poll,
            limits: self.limits,
            observer: settings.observer,
            own_actions: self.own_actions,
        }))
    }
}
