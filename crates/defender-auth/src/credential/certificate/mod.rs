//! Credential of an application with a certificate.

mod pem;
mod provider;
pub(crate) mod signer;

use std::sync::Arc;

use zeroize::Zeroizing;

use self::signer::{AssertionAlgorithm, Signer};
use crate::{
    CredentialContext, CredentialIdentity, Error, ErrorKind, IntoCredential, TokenCredential,
    credential::{
        confidential_client::{self, ClientAuth},
        registration::Registration,
    },
    env_vars::{CERTIFICATE, CERTIFICATE_CHAIN, CERTIFICATE_PASSWORD, Environment},
    secret::Secret,
};

/// An application with a certificate: the grant `client_credentials` with a signed assertion.
///
/// The private key never leaves the process; each request for a token has a new assertion that is good for ten
/// minutes, for this tenant's token endpoint and nothing else. Upload the certificate to the application first:
/// <https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials>.
///
/// ```no_run
/// use defender_auth::ClientCertificateCredential;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let pem = std::fs::read_to_string("application.pem")?;   // certificate and key
/// let credential = ClientCertificateCredential::new("contoso.com", "client-id", pem);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientCertificateCredential {
    registration: Registration,
    pem: Secret,
    password: Option<Secret>,
    algorithm: AssertionAlgorithm,
    send_chain: bool,
}

impl ClientCertificateCredential {
    /// The application `client_id` in `tenant` (an id or a domain), with its certificate and its RSA key in one PEM, in
    /// any order: the key as PKCS#8, as PKCS#8 with a [`password`](Self::password) (feature `encrypted-keys`), or as PKCS#1.
    #[must_use]
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>, pem: impl Into<String>) -> Self {
        Self {
            registration: Registration::new(tenant, client_id),
            pem: Secret::new(pem),
            password: None,
            algorithm: AssertionAlgorithm::default(),
            send_chain: false,
        }
    }

    /// The same application in another tenant: that of a customer, who has consented to it.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.registration.tenant = tenant.into();
        self
    }

    /// Sets the password of the key. Without the feature `encrypted-keys`, which is off by default, a key with a password is
    /// refused by an error that names the feature.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret::new(password));
        self
    }

    /// Signature algorithm. Default: [`AssertionAlgorithm::Ps256`].
    #[must_use]
    pub fn algorithm(mut self, algorithm: AssertionAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sends all certificates of the PEM along (`x5c`). Only an application that trusts a subject name and its issuer needs
    /// them.
    #[must_use]
    pub fn send_chain(mut self) -> Self {
        self.send_chain = true;
        self
    }

    /// The application in `AZURE_TENANT_ID` and `AZURE_CLIENT_ID` with the PEM file in `AZURE_CLIENT_CERTIFICATE_PATH`,
    /// and, if they are set, the password in `AZURE_CLIENT_CERTIFICATE_PASSWORD` and `1` or `true` in
    /// `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN`, as the Azure SDKs name them. If `AZURE_AUTHORITY_HOST` is set, with or
    /// without `https://`, the tokens come from there, unless the context names an authority of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] that names what is missing, or the file that cannot be read.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_environment(&Environment::of_process())
    }

    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let (registration, path) = Registration::from_environment(environment, CERTIFICATE)?;
        let unreadable = || {
            Error::new(ErrorKind::Configuration)
                .context(format!("the file `{}` of {CERTIFICATE} cannot be read as PEM", path.as_str()))
        };
        // A file that is no text, such as a PFX, holds the key nevertheless.
        let pem = Zeroizing::new(std::fs::read(path.as_str()).map_err(|source| unreadable().caused_by(source))?);
        let pem = std::str::from_utf8(&pem).map_err(|source| unreadable().caused_by(source))?;
        let mut credential = Self { registration, ..Self::new("", "", pem) };
        credential.password = environment.untrimmed(CERTIFICATE_PASSWORD).map(|password| {
            // A blank may be a part of a password; the end of a line is not.
            Secret::new(password.trim_end_matches(['\r', '\n']))
        });
        credential.send_chain = environment
            .get(CERTIFICATE_CHAIN)
            .is_some_and(|set| set.as_str() == "1" || set.eq_ignore_ascii_case("true"));
        Ok(credential)
    }

    /// The application, and its signer.
    pub(crate) fn client_auth(self) -> Result<(Registration, ClientAuth), Error> {
        self.registration.of_one_tenant()?;
        let client_id = self.registration.client_id.clone();
        let signer = Signer::new(&self.pem, self.password.as_ref(), self.algorithm, self.send_chain, client_id)?;
        Ok((self.registration, ClientAuth::Certificate(signer)))
    }
}

impl IntoCredential for ClientCertificateCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        confidential_client::connect(context, self.client_auth()?)
    }

    fn identity(&self) -> CredentialIdentity {
        self.registration.identity()
    }
}
