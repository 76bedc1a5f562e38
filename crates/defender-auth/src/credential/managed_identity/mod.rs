//! An identity that Azure gives to programs that run on it.

mod arc;
mod host;
pub(crate) mod id;
mod response;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use defender_transport::{Clock, Secrets, Transport, TransportExt, extensions::Timeouts};
use http::{HeaderMap, StatusCode};

use self::{arc::Agent, host::Host, id::ManagedIdentityId};
use crate::{
    AccessToken, CredentialContext, Error, ErrorKind, IntoCredential, TokenCredential, TokenRequest,
    authorized::authorize,
    credential::registration::given,
    env_vars::{CLIENT, Environment},
    secret::{Received, Secret},
};

/// The identity that Azure gives to a virtual machine, a node of AKS, App Service, Functions, Container Apps or an Arc-enabled
/// server: nothing secret to keep.
///
/// | host | known by |
/// |---|---|
/// | App Service | `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` |
/// | Azure Arc | `IDENTITY_ENDPOINT` and `IMDS_ENDPOINT`, or the file of its agent; for its own identity only, and readers of its key files |
/// | metadata service of a virtual machine, `169.254.169.254` | none of these |
/// | Service Fabric, Cloud Shell | refused |
///
/// Tokens travel over plain http on this machine's own link, so the transport must allow that and must use no proxy: see
/// [`CredentialContext::managed_identity_transport`].
///
/// The identity needs the API's permissions like any application; roles that are granted later appear in its tokens only
/// when the host's own token of up to 24 hours has ended.
/// <https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
///
/// ```
/// use defender_auth::{ManagedIdentityCredential, ManagedIdentityId};
///
/// let of_the_machine = ManagedIdentityCredential::system_assigned();
/// let one_of_several = ManagedIdentityCredential::user_assigned(ManagedIdentityId::ClientId("client-id".into()));
/// ```
#[derive(Clone, Debug)]
pub struct ManagedIdentityCredential {
    id: Option<ManagedIdentityId>,
    host: Option<Host>,
}

impl ManagedIdentityCredential {
    /// The machine's own identity.
    #[must_use]
    pub fn system_assigned() -> Self {
        Self { id: None, host: None }
    }

    /// One that was assigned to the machine.
    #[must_use]
    pub fn user_assigned(id: ManagedIdentityId) -> Self {
        Self { id: Some(id), host: None }
    }

    /// The identity and the host that the variables describe: the user-assigned identity of `AZURE_CLIENT_ID`, if it is set.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let id = environment.get(CLIENT).map(|id| ManagedIdentityId::ClientId(id.as_str().to_owned()));
        Ok(Self { id, host: Some(Host::detect(environment, Path::is_file)?) })
    }

    /// The metadata service of a virtual machine, independent of the environment; at `base`, such as
    /// `http://169.254.169.254`.
    #[must_use]
    pub fn at_imds(mut self, base: impl Into<String>) -> Self {
        self.host = Some(Host::Imds { base: base.into() });
        self
    }

    /// App Service, independent of the environment: the values of `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    #[must_use]
    pub fn at_app_service(mut self, endpoint: impl Into<String>, header: impl Into<String>) -> Self {
        self.host = Some(Host::AppService { endpoint: endpoint.into(), header: Secret::trimmed(header) });
        self
    }

    /// The agent of Azure Arc, independent of the environment: its endpoint, such as
    /// `http://localhost:40342/metadata/identity/oauth2/token`, and the folder into which it puts its key files, such as
    /// `/var/opt/azcmagent/tokens`. A key file anywhere else is not read.
    #[must_use]
    pub fn at_azure_arc(mut self, endpoint: impl Into<String>, keys: impl Into<PathBuf>) -> Self {
        self.host = Some(Host::Arc(Agent { endpoint: endpoint.into(), keys: keys.into() }));
        self
    }
}

impl IntoCredential for ManagedIdentityCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        if let Some(
            ManagedIdentityId::ClientId(id) | ManagedIdentityId::ObjectId(id) | ManagedIdentityId::ResourceId(id),
        ) = &self.id
        {
            given("identity's id", id)?;
        }
        let host = self.host.map_or_else(|| Host::detect(&Environment::of_process(), Path::is_file), Ok)?;
        let audience = context.audience.strip_suffix("/.default").unwrap_or(&context.audience).to_owned();
        host.request(&audience, self.id.as_ref())?; // An invalid request fails here, and not at the first token.
        let clock = Arc::clone(&context.clock);
        let transport = context.managed_identity_transport.as_ref().unwrap_or(&context.transport);
        let transport = Arc::clone(transport).deadline(Arc::clone(&clock)).shared();
        let (limit, seen) = (context.token_limit, AtomicBool::new(false));
        let live = ManagedIdentityFlow { id: self.id, host, audience, transport, clock, limit, seen };
        Ok(context.cached(live))
    }
}

#[derive(Debug)]
struct ManagedIdentityFlow {
    id: Option<ManagedIdentityId>,
    host: Host,
    audience: String,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// Size limit of a response, in bytes.
    limit: usize,
    /// True once the host has responded, so that it is known to be there.
    seen: AtomicBool,
}

/// Time limit from sending the request to the last byte, while nothing shows that the host is there.
const FIRST_CONTACT: Duration = Duration::from_secs(10);

/// Attempts at a host that has never responded and that is silent, rather than known to be absent.
const UNSEEN_ATTEMPTS: u32 = 2;

/// Outcome of one attempt.
enum Outcome {
    Token(AccessToken),
    Passing(Error),
    /// The host was silent, and has never responded.
    Unseen(Error),
    Final(Error),
}

impl ManagedIdentityFlow {
    async fn try_once(&self) -> Result<Outcome, Error> {
        let asked = self.clock.now();
        let mut response = match self.exchange(None).await? {
            Ok(response) => response,
            Err(outcome) => return Ok(outcome),
        };
        let mut key = None;
        if let Host::Arc(agent) = &self.host {
            if response.status == StatusCode::OK {
                let what =
                    "it came without the challenge by which Azure Arc's agent is known; check what listens there";
                return Err(Error::new(ErrorKind::Response).context(what));
            }
            if response.status == StatusCode::UNAUTHORIZED {
                let key = key.insert(agent.key(&response.headers)?);
                response = match self.exchange(Some(key)).await? {
                    Ok(response) => response,
                    Err(outcome) => return Ok(outcome),
                };
            }
        }
        if response.status == StatusCode::OK {
            return response::token(&response.body, asked).map(Outcome::Token);
        }
        let secrets: Vec<_> = self.host.secrets().iter().cloned().chain(key).collect();
        let error = response::refusal(response.status, &response.body, &secrets).with_status(response.status, None);
        Ok(if self.host.is_passing(response.status) { Outcome::Passing(error) } else { Outcome::Final(error) })
    }

    /// Makes one request, with the key of Azure Arc's agent if there is one. The outer error is final; the inner one is the
    /// outcome of an attempt without a response.
    async fn exchange(&self, key: Option<&Secret>) -> Result<Result<Answer, Outcome>, Error> {
        let mut request = self.host.request(&self.audience, self.id.as_ref())?;
        if let Some(key) = key {
            let unusable =
                || Error::new(ErrorKind::Response).context("the key of Azure Arc's agent fits into no header");
            authorize(request.headers_mut(), key.header("Basic ").ok_or_else(unusable)?);
            request.extensions_mut().insert(Secrets::new([key.reveal()]));
        }
        let seen = self.seen.load(Ordering::Relaxed);
        if !seen {
            request.extensions_mut().insert(Timeouts::default().total(FIRST_CONTACT));
        }
        let (head, body) = match self.transport.send(request).await {
            Ok(response) => response.into_parts(),
            Err(error) => return Ok(Err(self.unreached(error, seen))),
        };
        self.seen.store(true, Ordering::Relaxed);
        Ok(match body.collect(self.limit).await {
            Ok(body) => Ok(Answer { status: head.status, headers: head.headers, body: Received::from(body) }),
            Err(error) => Err(self.unreached(error, true)),
        })
    }

    /// Classifies an attempt without a whole response of the host.
    fn unreached(&self, error: defender_transport::Error, seen: bool) -> Outcome {
        use defender_transport::ErrorKind as Wire;
        let absent = self.host.advice_if_absent();
        match error.kind() {
            Wire::TooLarge => Outcome::Final(Error::unreached(error)),
            Wire::Request => {
                let what = "the transport does not carry requests to a managed identity; give the context a transport of its own \
                            for them, which speaks http and knows no proxy";
                Outcome::Final(Error::new(ErrorKind::Configuration).context(what).caused_by(error))
            }
            // Refused or unreachable: a machine without a managed identity always fails in this way, and at once.
            Wire::Connect if !seen && !error.is_timeout() => {
                Outcome::Final(Error::unreached(error).advising(absent).retryable(false))
            }
            _ if error.is_permanent() => Outcome::Final(Error::unreached(error).advising(absent)),
            _ if !seen => Outcome::Unseen(Error::unreached(error).advising(absent)),
            _ => Outcome::Passing(Error::unreached(error).advising("it has responded before; is it restarting?")),
        }
    }
}

/// A response that was read.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Received,
}

#[async_trait]
impl TokenCredential for ManagedIdentityFlow {
    /// The claims of a challenge cannot be passed on: the host takes no claims.
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, Error> {
        let mut waits = self.host.waits().iter();
        let mut unseen = 0_u32;
        loop {
            let error = match self.try_once().await? {
                Outcome::Token(token) => return Ok(token),
                Outcome::Final(error) => return Err(error),
                Outcome::Passing(error) => error,
                Outcome::Unseen(error) => {
                    unseen = unseen.saturating_add(1);
                    if unseen >= UNSEEN_ATTEMPTS {
                        return Err(error);
                    }
                    error
                }
            };
            let Some(wait) = waits.next() else { return Err(error) };
            self.clock.sleep(Duration::from_secs(*wait)).await;
        }
    }
}
