//! TLS of the connections, with a crypto provider that is chosen in code and not installed for the process.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

/// Authorities that the certificate of the server must come from.
#[derive(Clone, Debug)]
pub(super) enum Roots {
    Platform,
    /// Certificates in PEM.
    Pem(Vec<u8>),
    /// The caller's own configuration.
    Config(Arc<ClientConfig>),
}

impl Roots {
    pub(super) fn file(path: &Path) -> Result<Self, String> {
        let pem = std::fs::read(path);
        pem.map(Self::Pem).map_err(|error| format!("the CA file {} cannot be read ({error})", path.display()))
    }

    pub(super) fn config(&self) -> Result<ClientConfig, String> {
        let failed = |error: rustls::Error| format!("TLS cannot be set up ({error})");
        let pem = match self {
            Self::Config(config) => return Ok(ClientConfig::clone(config)),
            Self::Platform => None,
            Self::Pem(pem) => Some(pem),
        };
        let provider = provider()?;
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().map_err(failed)?;
        let config = match pem {
            None => {
                let verifier = Verifier::new(provider).map_err(failed)?;
                // The door to a verifier of one's own has this name; this one verifies.
                config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            Some(pem) => config.with_root_certificates(store(pem)?),
        };
        Ok(config.with_no_client_auth())
    }
}

fn store(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the CA certificates are not PEM ({error})"))?;
        store.add(certificate).map_err(|error| format!("a CA certificate cannot be used ({error})"))?;
    }
    if store.is_empty() {
        return Err("the CA certificates hold no `-----BEGIN CERTIFICATE-----` block".to_owned());
    }
    Ok(store)
}

/// The provider that the process has installed, else aws-lc-rs, else ring, if they are compiled in.
fn provider() -> Result<Arc<CryptoProvider>, String> {
    let missing = "there is no crypto provider for TLS: turn on the feature `aws-lc-rs` or `ring` of defender-store";
    CryptoProvider::get_default().cloned().or_else(aws_lc_rs).or_else(ring).ok_or_else(|| missing.to_owned())
}

#[cfg(feature = "aws-lc-rs")]
#[expect(clippy::unnecessary_wraps, reason = "its twin without the feature has nothing to give")]
fn aws_lc_rs() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(not(feature = "aws-lc-rs"))]
fn aws_lc_rs() -> Option<Arc<CryptoProvider>> {
    None
}

#[cfg(feature = "ring")]
#[expect(clippy::unnecessary_wraps, reason = "its twin without the feature has nothing to give")]
fn ring() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(feature = "ring"))]
fn ring() -> Option<Arc<CryptoProvider>> {
    None
}
