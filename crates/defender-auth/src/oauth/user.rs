//! The grants in which an application asks for a user.

use oauth2::{RefreshToken as OAuthRefreshToken, Scope};

use super::{
    endpoint::{ClientAuthParams, MARKS, TokenEndpoint},
    exchange::Exchange,
    response::TokenAnswer,
};
use crate::{AccessToken, Error, RefreshToken, secret::Secret};

/// Tokens of a user's sign-in.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) token: AccessToken,
    /// Refresh token for the next access token. It replaces the one before.
    pub(crate) refresh: Option<RefreshToken>,
}

impl Granted {
    pub(super) fn new(asked: jiff::Timestamp, response: &TokenAnswer, over: &Exchange<'_>) -> Result<Self, Error> {
        Ok(Self {
            token: response.token(asked, |mark| over.received(mark))?,
            refresh: response.refresh(|mark| over.received(mark)),
        })
    }
}

impl TokenEndpoint {
    /// The scope that stands for `permissions`, or without any for all that were granted; a bare name such as
    /// `Machine.Read` is one of the API's.
    pub(crate) fn delegated_scope(&self, permissions: &[String]) -> String {
        let full =
            |name: &String| if name.contains("://") { name.clone() } else { format!("{}/{name}", self.audience) };
        let mut scopes: Vec<_> = permissions.iter().map(full).collect();
        if scopes.is_empty() {
            scopes.push(self.default_scope());
        }
        scopes.push("offline_access".to_owned()); // Without it, there is no refresh token.
        scopes.join(" ")
    }

    /// The grant `refresh_token`: <https://learn.microsoft.com/en-us/entra/identity-platform/refresh-tokens>.
    pub(crate) async fn refresh(
        &self,
        client_id: &str,
        proof: &ClientAuthParams,
        refresh: &RefreshToken,
        scope: &str,
        claims: Option<&str>,
    ) -> Result<Granted, Error> {
        let asked = self.clock.now();
        let client = self.client(client_id, proof);
        let token = OAuthRefreshToken::new(MARKS[1].to_owned());
        let mut grant = client.exchange_refresh_token(&token).add_scope(Scope::new(scope.to_owned()));
        for (name, value) in proof.parameters().into_iter().chain(claims.map(|claims| ("claims", claims))) {
            grant = grant.add_extra_param(name, value);
        }
        let over = self.exchange(proof).hiding(&Secret::new(refresh.secret()));
        Granted::new(asked, &grant.request_async(&over).await.map_err(|error| over.told(error))?, &over)
    }

    /// The grant of an API that calls another for its user. `oauth2` does not know it:
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-on-behalf-of-flow>.
    pub(crate) async fn on_behalf_of(
        &self,
        client_id: &str,
        proof: &ClientAuthParams,
        user: &Secret,
        claims: Option<&str>,
    ) -> Result<AccessToken, Error> {
        let asked = self.clock.now();
        let scope = self.default_scope();
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("requested_token_use", "on_behalf_of"),
            ("client_id", client_id),
            ("assertion", MARKS[1]),
            ("scope", &scope),
        ];
        if let ClientAuthParams::Secret(_) = proof {
            form.push(("client_secret", MARKS[0]));
        }
        form.extend(proof.parameters().into_iter().chain(claims.map(|claims| ("claims", claims))));
        let over = self.exchange(proof).hiding(user);
        over.post(&self.url, &form).await?.token(asked, |mark| over.received(mark))
    }
}
