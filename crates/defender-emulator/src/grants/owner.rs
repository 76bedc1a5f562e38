//! What the emulator's owner does in the place of people, platforms and administrators.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::state::Certificate;
use crate::{Emulator, jwt::Claims};

impl Emulator {
    /// Uploads a certificate to the application: its DER, and its RSA public key (as PKCS#1 or as `SubjectPublicKeyInfo`).
    pub fn trust_certificate(&self, der: &[u8], public_key: &[u8]) {
        let thumbprint = |algorithm| URL_SAFE_NO_PAD.encode(digest::digest(algorithm, der));
        let certificate = Certificate {
            sha1: thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: thumbprint(&digest::SHA256),
            public_key: public_key.to_vec(),
        };
        self.service.grants.state().certificates.push(certificate);
    }

    /// Trusts a token of another issuer for the application, as a federated credential would.
    pub fn trust_federated_token(&self, token: impl Into<String>) {
        self.service.grants.state().federated.insert(token.into());
    }

    /// A token with which a user would call an API that is this application, to be exchanged on the user's behalf; `None`
    /// where it could not be signed.
    #[must_use]
    pub fn user_token(&self) -> Option<String> {
        let claims = Claims { aud: self.client_id().to_owned(), ..Claims::of_user(&self.service) };
        self.service.key.sign(&claims).ok()
    }

    /// Enters a device's code and signs in, or declines; says whether the code was there.
    #[expect(clippy::must_use_candidate, reason = "entering it is the point")]
    pub fn enter_device_code(&self, user_code: &str, agrees: bool) -> bool {
        let mut state = self.service.grants.state();
        let device = state.devices.values_mut().find(|device| device.user_code == user_code);
        device.map(|device| device.decision = Some(agrees)).is_some()
    }

    /// What stands in `IDENTITY_ENDPOINT` on App Service.
    #[must_use]
    pub fn identity_endpoint(&self) -> String {
        format!("{}/msi/token", self.base_url())
    }

    /// What stands in `IDENTITY_HEADER` on App Service, made at start.
    #[must_use]
    pub fn identity_header(&self) -> &str {
        &self.service.grants.identity_header
    }
}
