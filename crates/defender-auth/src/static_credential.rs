//! A token that is there already.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{AccessToken, Error, ErrorKind, TokenCredential, TokenRequest};

/// A token that was got elsewhere and is handed in: for tests, and for a first try with a token from a portal.
///
/// It is never replaced: a call that is refused with a 401 fails for good.
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
        Self(AccessToken::new(token, Timestamp::MAX))
    }
}

#[async_trait]
impl TokenCredential for StaticCredential {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        if ask.stale.as_ref() == Some(&self.0) || ask.claims.is_some() {
            return Err(Error::new(ErrorKind::Configuration)
                .context("the token that was handed in is refused, and there is no way to get another"));
        }
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_was_refused_is_not_given_again() {
        let credential = StaticCredential::new("canary");
        let token = credential.token(&TokenRequest::new()).await.unwrap();
        assert_eq!(token.secret(), "canary");
        let error = credential.token(&TokenRequest::new().stale(token)).await.unwrap_err();
        assert!(!format!("{credential:?} {error:?} {error}").contains("canary"));
    }
}
