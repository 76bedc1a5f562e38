//! Credential of a person who signed in elsewhere.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    AccessToken, CredentialContext, CredentialIdentity, Error, ErrorKind, IntoCredential, TokenCredential,
    TokenRequest, TokenStore,
    credential::user_sign_in::{Session, UserSignIn},
    secret::Secret,
};

/// A person who signed in elsewhere: the grant `refresh_token`, with a store that has the refresh token and gets each
/// new one.
///
/// <https://learn.microsoft.com/en-us/entra/identity-platform/refresh-tokens>
///
/// ```
/// use defender_auth::{MemoryTokenStore, RefreshToken, RefreshTokenCredential};
///
/// let store = MemoryTokenStore::with(RefreshToken::new("1.AX…"));
/// let credential = RefreshTokenCredential::new("contoso.com", "client-id", store).permissions(["Machine.Isolate"]);
/// ```
#[derive(Clone, Debug)]
pub struct RefreshTokenCredential(UserSignIn);

impl RefreshTokenCredential {
    /// The sign-in that `store` keeps, at the application `client_id` in `tenant`.
    #[must_use]
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>, store: impl TokenStore + 'static) -> Self {
        Self(UserSignIn { store: Arc::new(store), ..UserSignIn::new(tenant, client_id) })
    }

    /// Sets the secret of a confidential client. A public client has no secret and must not send one.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.0.secret = Some(Secret::trimmed(secret));
        self
    }

    /// The API's delegated permissions to ask for, such as `Machine.Isolate`. Default: all that were granted.
    #[must_use]
    pub fn permissions(mut self, permissions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.0.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }
}

impl IntoCredential for RefreshTokenCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        let session = self.0.session(context)?;
        Ok(context.cached(RefreshTokenFlow(session)))
    }

    fn identity(&self) -> CredentialIdentity {
        self.0.identity()
    }
}

#[derive(Debug)]
struct RefreshTokenFlow(Session);

#[async_trait]
impl TokenCredential for RefreshTokenFlow {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        self.0.refreshed(ask.claims.as_deref()).await?.ok_or_else(|| {
            Error::new(ErrorKind::Configuration)
                .context("the store holds no refresh token; somebody must sign in first")
        })
    }
}
