//! The trait of all credentials, and the options of a request for a token.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{AccessToken, Error};

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
