//! The adapter: a description that holds a credential of the SDK, and the live credential that it becomes.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential as AzureTokenCredential;
use defender_auth::{AccessToken, CredentialContext, Error, ErrorKind, IntoCredential, TokenCredential, TokenRequest};
use defender_transport::Clock;
use jiff::Timestamp;

use crate::error;

type Shared = Arc<dyn AzureTokenCredential>;
type Make = Arc<dyn Fn() -> azure_core::Result<Shared> + Send + Sync>;

/// A credential of the Azure SDK for Rust, for `defender-auth` and for `DefenderClientBuilder::credential`.
///
/// Its token is for the audience of the client (scope: the audience and `/.default`), and is cached as each token of
/// `defender-auth`. The authority, the retries and the HTTP client are those of the SDK's credential.
///
/// ```no_run
/// use azure_identity::DeveloperToolsCredential;
/// use defender_azure_identity::AzureCredential;
///
/// # fn example() -> azure_core::Result<()> {
/// let credential = AzureCredential::new(DeveloperToolsCredential::new(None)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AzureCredential {
    source: Source,
}

#[derive(Clone)]
enum Source {
    Given(Shared),
    Made(Make),
}

impl AzureCredential {
    /// Uses this credential for each token.
    ///
    /// The credentials of `azure_identity` cache their tokens and cannot be asked for another one: a token that the API refuses
    /// with a 401 before its expiry is returned again, and the call ends with that 401. [`from_fn`](Self::from_fn) has no such
    /// limit.
    #[must_use]
    pub fn new(credential: Arc<dyn AzureTokenCredential>) -> Self {
        Self { source: Source::Given(credential) }
    }

    /// Makes the credential by `make`, once at first and again each time that the API refuses a token: the cache of a new
    /// credential is empty.
    ///
    /// ```no_run
    /// use azure_identity::WorkloadIdentityCredential;
    /// use defender_azure_identity::AzureCredential;
    ///
    /// let credential = AzureCredential::from_fn(|| WorkloadIdentityCredential::new(None));
    /// ```
    #[must_use]
    pub fn from_fn<C, F>(make: F) -> Self
    where
        C: AzureTokenCredential + 'static,
        F: Fn() -> azure_core::Result<Arc<C>> + Send + Sync + 'static,
    {
        let make = move || make().map(|credential| credential as Shared);
        Self { source: Source::Made(Arc::new(make)) }
    }
}

impl fmt::Debug for AzureCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("AzureCredential");
        match &self.source {
            Source::Given(credential) => shown.field(credential).finish(),
            Source::Made(_) => shown.finish_non_exhaustive(),
        }
    }
}

impl IntoCredential for AzureCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        let (current, make) = match self.source {
            Source::Given(credential) => (credential, None),
            Source::Made(make) => (made(&make)?, Some(make)),
        };
        let live =
            Live { current: RwLock::new(current), make, scope: context.scope(), clock: Arc::clone(context.clock()) };
        Ok(context.cached(live))
    }
}

fn made(make: &Make) -> Result<Shared, Error> {
    make().map_err(|error| Error::new(ErrorKind::Configuration).context(error::line(&error)))
}

struct Live {
    current: RwLock<Shared>,
    make: Option<Make>,
    scope: String,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureCredential").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Live {
    /// The credential to ask: a new one if the token of the last one was refused.
    fn credential(&self, ask: &TokenRequest) -> Result<Shared, Error> {
        let refused = ask.rejected_token.is_some() || ask.claims.is_some();
        match &self.make {
            Some(make) if refused => {
                let fresh = made(make)?;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
                Ok(fresh)
            }
            _ => Ok(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))),
        }
    }
}

#[async_trait]
impl TokenCredential for Live {
    /// The claims of a challenge cannot be passed on: `TokenRequestOptions` of `azure_core` 1.1 has no place for them.
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let credential = self.credential(ask)?;
        let now = self.clock.now();
        let token = credential.get_token(&[&self.scope], None).await.map_err(|error| error::convert(&error, now))?;
        let unusable = |what: &str| Error::new(ErrorKind::Response).context(what);
        let expires_on = Timestamp::from_second(token.expires_on.unix_timestamp())
            .map_err(|_| unusable("its lifetime is beyond all dates"))?;
        if expires_on <= self.clock.now() {
            return Err(unusable("its token has ended already; check this machine's clock"));
        }
        Ok(AccessToken::new(token.token.secret(), expires_on))
    }
}
