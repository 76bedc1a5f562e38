//! Token credentials, and descriptions that become one.

#[cfg(feature = "browser")]
pub(crate) mod authorization_code;
#[cfg(feature = "azure-cli")]
pub(crate) mod azure_cli;
#[cfg(feature = "certificate")]
pub(crate) mod certificate;
pub(crate) mod client_secret;
pub(crate) mod confidential_client;
pub(crate) mod context;
pub(crate) mod device_code;
pub(crate) mod environment;
#[cfg(feature = "browser")]
pub(crate) mod loopback;
pub(crate) mod managed_identity;
pub(crate) mod on_behalf_of;
pub(crate) mod refresh_token;
pub(crate) mod registration;
pub(crate) mod static_credential;
pub(crate) mod user_sign_in;
pub(crate) mod workload_identity;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{AccessToken, CredentialContext, Error};

/// Something that gives access tokens.
///
/// Implement it for a credential of your own. It is asked before each call, so it should keep its
/// token, or be wrapped in [`Cached`](crate::Cached).
#[async_trait]
pub trait TokenCredential: fmt::Debug + Send + Sync {
    /// A token that is good now.
    ///
    /// # Errors
    ///
    /// No token can be had; the error says why and what to do, and holds no secret.
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error>;
}

#[async_trait]
impl<T: TokenCredential + ?Sized> TokenCredential for Arc<T> {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        (**self).token(ask).await
    }
}

/// Options of a request for a token.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TokenRequest {
    /// This one was refused with a 401: another is wanted.
    pub rejected_token: Option<AccessToken>,
    /// The claims that the API demanded with its 401, as JSON.
    pub claims: Option<String>,
}

impl TokenRequest {
    /// Any token that is good now.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Any token but `rejected`, which was refused.
    #[must_use]
    pub fn rejected_token(mut self, rejected: AccessToken) -> Self {
        self.rejected_token = Some(rejected);
        self
    }

    /// A token that has `claims`, a JSON object as the API's challenge gave it.
    #[must_use]
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }
}

/// Becomes a live credential: a description such as
/// [`ClientSecretCredential`](crate::ClientSecretCredential), or anything that is a [`TokenCredential`] already, which
/// stays as it is.
pub trait IntoCredential {
    /// Gives the description its transport, clock and cloud.
    ///
    /// # Errors
    ///
    /// The description and the context do not make a credential; the message names what is wrong.
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error>;
}

impl<T: TokenCredential + 'static> IntoCredential for T {
    fn into_credential(self, _: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        Ok(Arc::new(self))
    }
}
