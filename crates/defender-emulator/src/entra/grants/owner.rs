//! Acts of users, platforms and administrators that the emulator's owner does in their place.

use aws_lc_rs::digest;

use crate::store::grants::{Certificate, Federation};
use crate::{Emulator, entra::jwt::Claims};

impl Emulator {
    /// Uploads a certificate to the application: its DER, and its RSA public key (as PKCS#1 or as `SubjectPublicKeyInfo`).
    pub fn trust_certificate(&self, der: &[u8], public_key: &[u8]) {
        let thumbprint = |algorithm| digest::digest(algorithm, der).as_ref().to_vec();
        let certificate = Certificate {
            sha1: thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: thumbprint(&digest::SHA256),
            public_key: public_key.to_vec(),
        };
        self.service.grants.trust(certificate);
    }

    /// Gives the application a federated credential: tokens of `issuer` for `subject` and `audience`, signed as RS256 with the
    /// issuer's key (its public half as PKCS#1 or as `SubjectPublicKeyInfo`), are taken for the application's own. All three
    /// must match to the letter case. Entra's own audience for it is `api://AzureADTokenExchange`.
    pub fn trust_federation(
        &self,
        issuer: impl Into<String>,
        subject: impl Into<String>,
        audience: impl Into<String>,
        public_key: &[u8],
    ) {
        let (issuer, subject, audience) = (issuer.into(), subject.into(), audience.into());
        self.service.grants.federate(Federation { issuer, subject, audience, public_key: public_key.to_vec() });
    }

    /// Ends every sign-in so far, as an administrator does: the refresh tokens that were given are of no use.
    pub fn revoke_sign_ins(&self) {
        self.service.grants.revoke();
    }

    /// A token with which a user would call an API that is this application, to be exchanged on the user's behalf; `None`
    /// where it could not be signed.
    #[must_use]
    pub fn user_token(&self) -> Option<String> {
        let claims = Claims { aud: self.client_id().to_owned(), ..Claims::of_user(&self.service, self.audience()) };
        self.service.key.sign(&claims).ok()
    }

    /// Enters a device's code and signs in, or declines; returns `false` for an unknown code.
    #[expect(clippy::must_use_candidate, reason = "entering it is the point")]
    pub fn enter_device_code(&self, user_code: &str, agrees: bool) -> bool {
        self.service.grants.enter(user_code, agrees)
    }

    /// The metadata service of a virtual machine, in place of `http://169.254.169.254`: over plain http on the
    /// loopback, as the real one is on the machine's own link. Without a socket, it is at the real one's address.
    #[must_use]
    pub fn imds_endpoint(&self) -> &str {
        &self.service.identity_url
    }

    /// The value of `IDENTITY_ENDPOINT` on App Service: over plain http on the loopback, as the real one is.
    #[must_use]
    pub fn identity_endpoint(&self) -> String {
        format!("{}{}", self.service.identity_url, super::APP_SERVICE)
    }

    /// The value of `IDENTITY_HEADER` on App Service, made at start.
    #[must_use]
    pub fn identity_header(&self) -> &str {
        &self.service.grants.identity_header
    }
}
