//! A person's sign-in, which a refresh token keeps up.

use std::sync::Arc;

use crate::{
    AccessToken, CredentialContext, CredentialIdentity, EntraError, Error, ErrorKind, MemoryTokenStore, TokenRequest,
    TokenStore,
    credential::registration::given,
    oauth::{ClientAuthParams, Granted, TokenEndpoint},
    secret::Secret,
};

/// Common settings of the credentials for a person.
#[derive(Clone, Debug)]
pub(crate) struct UserSignIn {
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    /// Of a confidential client.
    pub(crate) secret: Option<Secret>,
    pub(crate) permissions: Vec<String>,
    pub(crate) store: Arc<dyn TokenStore>,
}

impl UserSignIn {
    pub(crate) fn new(tenant: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            client_id: client_id.into(),
            secret: None,
            permissions: Vec::new(),
            store: Arc::new(MemoryTokenStore::new()),
        }
    }

    pub(crate) fn identity(&self) -> CredentialIdentity {
        CredentialIdentity::of(&self.tenant, &self.client_id)
    }

    pub(crate) fn session(self, context: &CredentialContext) -> Result<Session, Error> {
        given("client id", &self.client_id)?;
        let endpoint = TokenEndpoint::new(context, &self.tenant, None)?;
        Ok(Session {
            scope: endpoint.delegated_scope(&self.permissions),
            endpoint,
            client_id: self.client_id,
            proof: self.secret.map_or(ClientAuthParams::Nothing, ClientAuthParams::Secret),
            store: self.store,
        })
    }
}

/// A person's sign-in at a token endpoint.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) endpoint: TokenEndpoint,
    pub(crate) client_id: String,
    pub(crate) proof: ClientAuthParams,
    pub(crate) scope: String,
    store: Arc<dyn TokenStore>,
}

impl Session {
    /// Refreshes the access token with the stored refresh token; `None` if nobody has signed in, so that none is stored.
    pub(crate) async fn refreshed(&self, claims: Option<&str>) -> Result<Option<AccessToken>, Error> {
        let Some(refresh) = self.store.load().await? else { return Ok(None) };
        let mut tries = self.endpoint.tries();
        loop {
            match self.endpoint.refresh(&self.client_id, &self.proof, &refresh, &self.scope, claims).await {
                Err(error) => tries.after(error).await?,
                Ok(granted) => return self.keep(granted).await.map(Some),
            }
        }
    }

    /// As [`refreshed`](Self::refreshed), for a credential that can ask the person: `None` also where only that helps. An error in
    /// place of `None` while the last token is valid: the call would not wait until the person has signed in.
    pub(crate) async fn kept_up(&self, ask: &TokenRequest) -> Result<Option<AccessToken>, Error> {
        match self.refreshed(ask.claims.as_deref()).await {
            Ok(None) if ask.unattended => {
                Err(Error::new(ErrorKind::SignIn).context("the last token is valid, and only a sign-in gives another"))
            }
            Err(error) if !ask.unattended && error.entra().is_some_and(EntraError::needs_sign_in) => Ok(None),
            outcome => outcome,
        }
    }

    /// Keeps the refresh token that came with a token.
    pub(crate) async fn keep(&self, granted: Granted) -> Result<AccessToken, Error> {
        if let Some(refresh) = &granted.refresh {
            self.store.save(refresh).await?;
        }
        Ok(granted.token)
    }
}
