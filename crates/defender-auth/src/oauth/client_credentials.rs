//! The grant of an application that asks for itself.

use oauth2::Scope;

use super::endpoint::{ClientAuthParams, TokenEndpoint};
use crate::{AccessToken, Error};

impl TokenEndpoint {
    /// The grant `client_credentials`:
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.
    pub(crate) async fn client_credentials(
        &self,
        client_id: &str,
        proof: &ClientAuthParams,
        claims: Option<&str>,
    ) -> Result<AccessToken, Error> {
        // Taken before the request is sent, so that the token ends no later than the issuer thinks.
        let asked = self.clock.now();
        let client = self.client(client_id, proof);
        let mut grant = client.exchange_client_credentials().add_scope(Scope::new(self.default_scope()));
        for (name, value) in proof.parameters().into_iter().chain(claims.map(|claims| ("claims", claims))) {
            grant = grant.add_extra_param(name, value);
        }
        let over = self.exchange(proof);
        grant.request_async(&over).await.map_err(|error| over.told(error))?.token(asked, |mark| over.received(mark))
    }
}
