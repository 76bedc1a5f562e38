//! Credential of an API that calls Defender on behalf of its user.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    AccessToken, ClientSecretCredential, CredentialContext, CredentialIdentity, Error, IntoCredential, TokenCredential,
    TokenRequest,
    credential::{confidential_client::ClientAuth, registration::given},
    oauth::TokenEndpoint,
    secret::Secret,
};

/// An API of your own that calls Defender as the user who called it (*on behalf of*).
///
/// The user's token must be for this application (its `aud` is this client), and not an application's. Create one
/// credential for each user's token; it caches the token that it gets in exchange. If the user has to sign in again, send the
/// [`EntraError::claims`](crate::EntraError::claims) of the error to your caller with a 401.
///
/// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-on-behalf-of-flow>
///
/// ```
/// use defender_auth::{ClientSecretCredential, OnBehalfOfCredential};
///
/// let application = ClientSecretCredential::new("contoso.com", "client-id", "secret");
/// let credential = OnBehalfOfCredential::with_secret(application, "eyJ0…");
/// ```
#[derive(Clone, Debug)]
pub struct OnBehalfOfCredential {
    application: Application,
    user: Secret,
}

#[derive(Clone, Debug)]
enum Application {
    Secret(ClientSecretCredential),
    #[cfg(feature = "certificate")]
    Certificate(Box<crate::ClientCertificateCredential>),
}

impl OnBehalfOfCredential {
    /// An application with a secret, and the token with which its user called it, without `Bearer `.
    #[must_use]
    pub fn with_secret(application: ClientSecretCredential, user_token: impl Into<String>) -> Self {
        Self { application: Application::Secret(application), user: Secret::trimmed(user_token) }
    }

    /// An application with a certificate, and the token with which its user called it, without `Bearer `.
    #[cfg(feature = "certificate")]
    #[must_use]
    pub fn with_certificate(application: crate::ClientCertificateCredential, user_token: impl Into<String>) -> Self {
        Self { application: Application::Certificate(Box::new(application)), user: Secret::trimmed(user_token) }
    }
}

impl IntoCredential for OnBehalfOfCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        given("user's token", self.user.reveal())?;
        let (registration, client_auth) = match self.application {
            Application::Secret(application) => application.client_auth()?,
            #[cfg(feature = "certificate")]
            Application::Certificate(application) => application.client_auth()?,
        };
        let endpoint = TokenEndpoint::new(context, &registration.tenant, registration.authority.as_deref())?;
        let live = OnBehalfOfFlow { client_id: registration.client_id, client_auth, user: self.user, endpoint };
        Ok(context.cached(live))
    }

    fn identity(&self) -> CredentialIdentity {
        match &self.application {
            Application::Secret(application) => application.identity(),
            #[cfg(feature = "certificate")]
            Application::Certificate(application) => application.identity(),
        }
    }
}

#[derive(Debug)]
struct OnBehalfOfFlow {
    client_id: String,
    client_auth: ClientAuth,
    user: Secret,
    endpoint: TokenEndpoint,
}

#[async_trait]
impl TokenCredential for OnBehalfOfFlow {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let mut tries = self.endpoint.tries();
        loop {
            let proof = self.client_auth.proof(&self.endpoint)?;
            match self.endpoint.on_behalf_of(&self.client_id, &proof, &self.user, ask.claims.as_deref()).await {
                Err(error) => tries.after(error).await?,
                granted => return granted,
            }
        }
    }
}
