//! Credential of a given token.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{AccessToken, Error, TokenCredential, TokenRequest, secret::Secret};

/// A token from elsewhere: for tests, and for a first experiment with a token from a portal.
///
/// The token is never replaced: after a refusal the same token is returned, so that a call ends with the API's own 401.
///
/// ```
/// use defender_auth::StaticCredential;
///
/// let credential = StaticCredential::new("eyJ0…");
/// ```
#[derive(Clone, Debug)]
pub struct StaticCredential(AccessToken);

impl StaticCredential {
    /// The token's text, without `Bearer `.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        let token = Secret::trimmed(token);
        Self(AccessToken::new(token.reveal(), Timestamp::MAX))
    }
}

#[async_trait]
impl TokenCredential for StaticCredential {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, Error> {
        Ok(self.0.clone())
    }

    fn cached_token(&self) -> Option<AccessToken> {
        Some(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn static_token_is_unchanged_and_not_shown() {
        let credential = StaticCredential::new("canary");
        let token = credential.token(&TokenRequest::new()).await.unwrap();
        let again = credential.token(&TokenRequest::new().rejected_token(token.clone())).await.unwrap();
        assert_eq!((token.secret(), again.secret()), ("canary", "canary"));
        assert!(!format!("{credential:?} {token:?}").contains("canary"));
    }
}
