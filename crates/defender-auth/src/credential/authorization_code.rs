//! Sign-in of a person with the browser of this machine.

use std::{fmt, io, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    AccessToken, CredentialContext, CredentialIdentity, Error, ErrorKind, IntoCredential, TokenCredential,
    TokenRequest, TokenStore,
    credential::{
        loopback::Loopback,
        user_sign_in::{Session, UserSignIn},
    },
    secret::Secret,
    timeout::timeout,
};

/// Time that the person has to sign in.
const PATIENCE: Duration = Duration::from_secs(300);

type Open = dyn Fn(&str) -> io::Result<()> + Send + Sync;

/// A person who signs in with the browser of this machine: the authorization code, with PKCE (feature `browser`).
///
/// The person is asked at the first token, and again only when the sign-in cannot be refreshed and the last token has expired.
/// The browser returns to a listener on `127.0.0.1`, which takes the one request that belongs to the sign-in, responds with a
/// plain page, and closes. The call that needs this token waits for the person, five minutes at most; a call to the API waits no
/// longer than its own time limit. So request a token first, and let the person sign in before the first call.
///
/// Register `http://localhost` as a redirect URI of a *mobile and desktop application*.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow>
///
/// ```
/// use defender_auth::AuthorizationCodeCredential;
///
/// // How a browser is opened is the program's own affair.
/// let credential = AuthorizationCodeCredential::new("contoso.com", "client-id", |url| {
///     std::process::Command::new("xdg-open").arg(url).spawn().map(drop)
/// });
/// ```
#[derive(Clone)]
pub struct AuthorizationCodeCredential {
    person: UserSignIn,
    open: Arc<Open>,
}

impl AuthorizationCodeCredential {
    /// A person of `tenant` (an id, a domain, or `organizations`) who signs in to the public client `client_id`; `open`
    /// shows them a URL.
    #[must_use]
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        open: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { person: UserSignIn::new(tenant, client_id), open: Arc::new(open) }
    }

    /// Sets the secret of a confidential client, whose redirect URI is of the kind *web*. A public client has no secret and
    /// must not send one.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.person.secret = Some(Secret::trimmed(secret));
        self
    }

    /// The API's delegated permissions to ask for, such as `Machine.Isolate`. Default: all that were granted.
    #[must_use]
    pub fn permissions(mut self, permissions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.person.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }

    /// Store of the refresh token. Default: in memory, so that the person is asked once per process.
    #[must_use]
    pub fn store(mut self, store: impl TokenStore + 'static) -> Self {
        self.person.store = Arc::new(store);
        self
    }
}

impl fmt::Debug for AuthorizationCodeCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationCodeCredential").field("person", &self.person).finish_non_exhaustive()
    }
}

impl IntoCredential for AuthorizationCodeCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        let session = self.person.session(context)?;
        Ok(context.cached(AuthorizationCodeFlow { session, open: self.open }))
    }

    fn identity(&self) -> CredentialIdentity {
        self.person.identity()
    }
}

struct AuthorizationCodeFlow {
    session: Session,
    open: Arc<Open>,
}

impl fmt::Debug for AuthorizationCodeFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationCode").field("session", &self.session).finish_non_exhaustive()
    }
}

impl AuthorizationCodeFlow {
    async fn sign_in(&self, claims: Option<&str>) -> Result<AccessToken, Error> {
        let Session { endpoint, client_id, proof, scope, .. } = &self.session;
        let failed = |what: &str| Error::new(ErrorKind::SignIn).context(what);
        let loopback = Loopback::bind().await?;
        let sign_in = endpoint.sign_in(client_id, scope, loopback.redirect_uri(), claims)?;
        (self.open)(&sign_in.url).map_err(|source| failed("the browser could not be opened").caused_by(source))?;
        let code = timeout(&**endpoint.clock(), PATIENCE, loopback.code(&sign_in)).await;
        let code = code.ok_or_else(|| failed("nobody signed in within five minutes"))??;
        drop(loopback); // It is closed before anything else is asked.
        let mut tries = endpoint.tries();
        loop {
            match endpoint.code(client_id, proof, &sign_in, &code, scope).await {
                // A code is good once, and a second use may revoke the tokens that it gave.
                Err(error) => tries.after_if_unseen(error).await?,
                Ok(granted) => return self.session.keep(granted).await,
            }
        }
    }
}

#[async_trait]
impl TokenCredential for AuthorizationCodeFlow {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        match self.session.kept_up(ask).await? {
            Some(token) => Ok(token),
            None => self.sign_in(ask.claims.as_deref()).await,
        }
    }
}
