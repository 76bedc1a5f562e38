//! Credential of an application with a token of the platform that it runs on.

use std::{path::PathBuf, sync::Arc};

use crate::{
    CredentialContext, CredentialIdentity, Error, IntoCredential, TokenCredential,
    credential::{
        confidential_client::{self, ClientAuth},
        registration::Registration,
        token_file::TokenFile,
    },
    env_vars::{Environment, TOKEN_FILE},
};

/// An application without a secret of its own: a pod of Kubernetes or a job of a pipeline, whose platform writes a token
/// for it that Entra is configured to trust.
///
/// The file is read anew for each request, since the platform replaces it (kubelet at about 80 % of its life). How to set
/// up the trust: <https://learn.microsoft.com/en-us/entra/workload-id/workload-identity-federation>. Issuer, subject and
/// audience must match to the letter case, and a new trust takes minutes to spread.
///
/// ```
/// use defender_auth::WorkloadIdentityCredential;
///
/// let credential = WorkloadIdentityCredential::new(
///     "contoso.com",
///     "client-id",
///     "/var/run/secrets/azure/tokens/azure-identity-token",
/// );
/// ```
#[derive(Clone, Debug)]
pub struct WorkloadIdentityCredential {
    registration: Registration,
    file: PathBuf,
}

impl WorkloadIdentityCredential {
    /// The application `client_id` in `tenant` (an id or a domain), with the file in which the platform's token is.
    #[must_use]
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self { registration: Registration::new(tenant, client_id), file: file.into() }
    }

    /// Sets another tenant for the same application, such as the tenant of a customer who has consented to it.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.registration.tenant = tenant.into();
        self
    }

    /// Reads `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`, which Azure's own webhook sets in
    /// a pod. If `AZURE_AUTHORITY_HOST` is set, with or without `https://`, the tokens come from there, unless the
    /// context names an authority of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) that names what is missing, empty or not text.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_environment(&Environment::of_process())
    }

    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let (registration, file) = Registration::from_environment(environment, TOKEN_FILE)?;
        Ok(Self { registration, file: file.as_str().into() })
    }
}

impl IntoCredential for WorkloadIdentityCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        self.registration.of_one_tenant()?;
        confidential_client::connect(context, (self.registration, ClientAuth::File(TokenFile::new(self.file))))
    }

    fn identity(&self) -> CredentialIdentity {
        self.registration.identity()
    }
}
