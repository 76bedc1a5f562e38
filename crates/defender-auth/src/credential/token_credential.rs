//! The trait of all credentials, and the options of a request for a token.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{AccessToken, Error};

/// Source of access tokens.
///
/// Implement it for a credential of your own. Each call requests its token, so the credential should cache
/// it or be wrapped in [`Cached`](crate::Cached).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a credential",
    label = "not a credential",
    note = "for a secret or a token as text, use `ClientSecretCredential::new(tenant, client_id, secret)` or `StaticCredential::new(token)`",
    note = "of a `Result` or a future, take the credential with `?` or `.await?`",
    note = "a credential of your own implements `TokenCredential` with `#[async_trait]`"
)]
#[async_trait]
pub trait TokenCredential: fmt::Debug + Send + Sync {
    /// Returns a token that is valid now.
    ///
    /// # Errors
    ///
    /// No token is available. The error states why and what to do, and has no secret.
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error>;

    /// Returns a token that is valid now, if it is there without a wait and is not due to be replaced. Otherwise, and by default,
    /// the caller awaits [`token`](Self::token).
    ///
    /// A call with such a token needs no future for it, which saves 800 of its 140,000 instructions.
    fn cached_token(&self) -> Option<AccessToken> {
        None
    }
}

#[async_trait]
impl<T: TokenCredential + ?Sized> TokenCredential for Arc<T> {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        (**self).token(ask).await
    }

    fn cached_token(&self) -> Option<AccessToken> {
        (**self).cached_token()
    }
}

/// Options of a request for a token.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TokenRequest {
    /// Token that the API refused with a 401; another one is needed.
    pub rejected_token: Option<AccessToken>,
    /// The claims that the API demanded with its 401, as JSON.
    pub claims: Option<String>,
    /// True if the last token is still valid, so that nobody is asked to sign in for another one.
    pub(crate) unattended: bool,
    /// Time that the call has left, for the token and for its own request.
    pub(crate) call_time: Option<Duration>,
}

impl TokenRequest {
    /// Requests any token that is valid now.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests any token except `rejected`, which the API refused.
    #[must_use]
    pub fn rejected_token(mut self, rejected: AccessToken) -> Self {
        self.rejected_token = Some(rejected);
        self
    }

    /// Requests a token with these `claims`, a JSON object as in the API's challenge.
    #[must_use]
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }
}
