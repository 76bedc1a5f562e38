//! Credential of an application with a secret.

use std::sync::Arc;

use crate::{
    CredentialContext, CredentialIdentity, Error, IntoCredential, TokenCredential,
    credential::{
        confidential_client::{self, ClientAuth},
        registration::{Registration, given},
    },
    env_vars::{Environment, SECRET},
    secret::Secret,
};

/// An application with a client secret: the OAuth grant `client_credentials`.
///
/// This is a description: plain data without a transport. [`into_credential`](IntoCredential::into_credential) creates the
/// credential, which caches its token. The builder of `DefenderClient` does this with its own transport.
///
/// How to register the application and give it permissions:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-create-app-webapp>.
#[derive(Clone, Debug)]
pub struct ClientSecretCredential {
    registration: Registration,
    secret: Secret,
}

impl ClientSecretCredential {
    /// The application `client_id` in `tenant` (an id or a domain) with the *value* of its secret, and not the secret's id.
    #[must_use]
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { registration: Registration::new(tenant, client_id), secret: Secret::trimmed(secret) }
    }

    /// Sets another tenant for the same application, such as the tenant of a customer who has consented to it. Clone the
    /// description for each tenant, and use one transport for all.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.registration.tenant = tenant.into();
        self
    }

    /// The application in `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, as the Azure SDKs name them. If
    /// `AZURE_AUTHORITY_HOST` is set, with or without `https://`, the tokens come from there, unless the context names an
    /// authority of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) that names what is missing, empty or not text.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_environment(&Environment::of_process())
    }

    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let (registration, secret) = Registration::from_environment(environment, SECRET)?;
        Ok(Self { registration, secret: Secret::new(secret.as_str()) })
    }

    /// The application, and its proof of identity.
    pub(crate) fn client_auth(self) -> Result<(Registration, ClientAuth), Error> {
        self.registration.of_one_tenant()?;
        given("client secret", self.secret.reveal())?;
        Ok((self.registration, ClientAuth::Secret(self.secret)))
    }
}

impl IntoCredential for ClientSecretCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        confidential_client::connect(context, self.client_auth()?)
    }

    fn identity(&self) -> CredentialIdentity {
        self.registration.identity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn missing_variable_is_named() {
        let environment = Environment::of(&[("AZURE_CLIENT_ID", "id"), ("AZURE_CLIENT_SECRET", "  ")]);
        let error = ClientSecretCredential::from_environment(&environment).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(
            error.to_string().contains("set the environment variables AZURE_TENANT_ID, AZURE_CLIENT_SECRET;"),
            "{error}"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", ClientSecretCredential::new("tenant", "id", "canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
