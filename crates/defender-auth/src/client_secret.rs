//! An application that proves itself with a secret.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    AccessToken, Cached, Connect, Context, Error, ErrorKind, TokenCredential, TokenRequest, oauth::TokenEndpoint,
    secret::Secret,
};

/// An application with a client secret: the OAuth grant `client_credentials`.
///
/// This is a description, plain data with no wire; [`connect`](Connect::connect) makes the credential of it, which keeps
/// its token. A client's builder does that with its own wire.
///
/// How to register the application and give it permissions:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-create-app-webapp>.
#[derive(Clone, Debug)]
pub struct ClientSecretCredential {
    tenant: String,
    client_id: String,
    secret: Secret,
}

impl ClientSecretCredential {
    /// The application `client_id` in `tenant` (an id or a domain) with the secret's *value*, which is not its id.
    #[must_use]
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { tenant: tenant.into(), client_id: client_id.into(), secret: Secret::new(secret) }
    }

    /// The application in `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, as the Azure SDKs name them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] that names what is missing, empty or not text.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), from wherever `variable` looks.
    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let read = |name| variable(name).filter(|value| !value.trim().is_empty()).ok_or(name);
        match (read("AZURE_TENANT_ID"), read("AZURE_CLIENT_ID"), read("AZURE_CLIENT_SECRET")) {
            (Ok(tenant), Ok(client_id), Ok(secret)) => Ok(Self::new(tenant, client_id, secret)),
            (tenant, client_id, secret) => {
                let missing: Vec<_> = [tenant.err(), client_id.err(), secret.err()].into_iter().flatten().collect();
                Err(Error::new(ErrorKind::Configuration)
                    .context(format!("set the environment variables {}", missing.join(", "))))
            }
        }
    }
}

impl Connect for ClientSecretCredential {
    fn connect(self, context: &Context) -> Result<Arc<dyn TokenCredential>, Error> {
        for (what, value) in [("client id", self.client_id.as_str()), ("client secret", self.secret.reveal())] {
            if value.trim().is_empty() {
                return Err(Error::new(ErrorKind::Configuration).context(format!("the {what} is empty")));
            }
        }
        let endpoint = TokenEndpoint::new(context, &self.tenant)?;
        let clock = Arc::clone(endpoint.clock());
        Ok(Arc::new(Cached::new(Live { description: self, endpoint }, clock)))
    }
}

#[derive(Debug)]
struct Live {
    description: ClientSecretCredential,
    endpoint: TokenEndpoint,
}

#[async_trait]
impl TokenCredential for Live {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let ClientSecretCredential { client_id, secret, .. } = &self.description;
        self.endpoint.client_secret(client_id, secret, ask.claims.as_deref()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_in_the_environment_is_named() {
        let error = ClientSecretCredential::from_variables(|name| match name {
            "AZURE_CLIENT_ID" => Some("id".to_owned()),
            "AZURE_CLIENT_SECRET" => Some("  ".to_owned()),
            _ => None,
        })
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().ends_with("AZURE_TENANT_ID, AZURE_CLIENT_SECRET"), "{error}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", ClientSecretCredential::new("tenant", "id", "canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
