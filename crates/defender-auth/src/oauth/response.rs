//! The token endpoint's responses, in the form that `oauth2` needs.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use oauth2::{ErrorResponse, TokenResponse, basic::BasicTokenType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AccessToken, EntraError, Error, ErrorKind, RefreshToken, secret::Secret, token::expiry};

/// Lifetime of a token whose response does not state one, which RFC 6749 allows and Entra never does.
const UNSAID_LIFETIME: Duration = Duration::from_secs(600);

/// A refusal. It is not [`EntraError`] itself that has `oauth2`'s trait, since everybody can name that.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Refusal(pub(super) EntraError);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ErrorResponse for Refusal {}

/// A token as the endpoint returns it, with marks in the place of its secrets: version 2 with numbers, version 1 with numbers in
/// strings.
#[derive(Deserialize, Serialize)]
pub(super) struct TokenAnswer {
    access_token: oauth2::AccessToken,
    token_type: BasicTokenType,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    expires_on: Value,
    #[serde(default)]
    refresh_in: Value,
    #[serde(default)]
    refresh_token: Option<oauth2::RefreshToken>,
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer").finish_non_exhaustive()
    }
}

impl TokenAnswer {
    /// The token, requested at `asked`. `received` gives the secret of a mark.
    pub(super) fn token(
        &self,
        asked: Timestamp,
        received: impl Fn(&str) -> Option<Secret>,
    ) -> Result<AccessToken, Error> {
        let unusable = |what: &str| Error::new(ErrorKind::Response).context(what);
        if !self.token_type.as_ref().eq_ignore_ascii_case("Bearer") {
            // A token that is bound to a key would be refused, and anybody who mistakes it for a bearer could use it.
            return Err(unusable("its token is not of the type Bearer"));
        }
        // How long it lives does not depend on this machine's clock, so it is taken before when it ends.
        let lifetime = expiry::lifetime(&self.expires_in).or_else(|| expiry::until(&self.expires_on, asked));
        let after = |span: Duration| asked.checked_add(span).map_err(|_| unusable("its lifetime is beyond all dates"));
        let lifetime = lifetime.unwrap_or(UNSAID_LIFETIME);
        let secret = received(self.access_token.secret()).ok_or_else(|| unusable("it lacks what a token has"))?;
        let token = AccessToken::issued(secret.reveal(), asked, after(lifetime)?)?;
        Ok(match expiry::lifetime(&self.refresh_in) {
            Some(refresh_in) => token.refresh_on(after(refresh_in)?),
            None => token,
        })
    }

    /// Refresh token for the next access token.
    pub(super) fn refresh(&self, received: impl Fn(&str) -> Option<Secret>) -> Option<RefreshToken> {
        let secret = received(self.refresh_token.as_ref()?.secret())?;
        Some(secret).filter(|secret| !secret.reveal().is_empty()).map(|secret| RefreshToken::new(secret.reveal()))
    }
}

impl TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &oauth2::AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        expiry::lifetime(&self.expires_in)
    }

    fn refresh_token(&self) -> Option<&oauth2::RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<oauth2::Scope>> {
        None
    }
}
