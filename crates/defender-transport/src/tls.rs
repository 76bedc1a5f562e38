//! Which roots are trusted and which cryptography is used, chosen in code.
//!
//! The choice is never left to features alone: cargo adds the features of every crate in a build together, so that a
//! neighbour's feature would change whom a program trusts. And it is never left to rustls' process-wide default, which
//! panics where two providers are compiled in.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::{Error, ErrorKind};

/// Whose certificates a server's certificate must come from.
#[derive(Clone, Debug, Default)]
pub struct Roots(Choice);

#[derive(Clone, Debug, Default)]
enum Choice {
    #[default]
    Platform,
    Bundled,
    Own(Vec<CertificateDer<'static>>),
}

impl Roots {
    /// The operating system's, and whatever its administrator added. The default.
    #[must_use]
    pub fn platform() -> Self {
        Self(Choice::Platform)
    }

    /// Mozilla's, as they were when this crate was built: for an image without a certificate store.
    #[must_use]
    pub fn bundled() -> Self {
        Self(Choice::Bundled)
    }

    /// Only the certificates in `pem`, such as a company's own CA.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`] where `pem` is not PEM or holds no certificate.
    pub fn pem(pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let certificates =
            CertificateDer::pem_slice_iter(pem.as_ref()).collect::<Result<Vec<_>, _>>().map_err(|source| {
                Error::new(ErrorKind::Request).context("the CA certificates are not readable as PEM").caused_by(source)
            })?;
        if certificates.is_empty() {
            return Err(Error::new(ErrorKind::Request)
                .context("the CA certificates hold no `-----BEGIN CERTIFICATE-----` block"));
        }
        Ok(Self(Choice::Own(certificates)))
    }
}

/// Which cryptography TLS uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Crypto {
    /// The provider that the process has installed, else aws-lc-rs if it is compiled in, else ring if that is, else an
    /// error.
    #[default]
    Auto,
    /// aws-lc-rs; an error without the feature `aws-lc-rs`.
    AwsLcRs,
    /// ring; an error without the feature `ring`.
    Ring,
}

impl Crypto {
    fn provider(self) -> Result<Arc<CryptoProvider>, Error> {
        let found = match self {
            Self::Auto => CryptoProvider::get_default().cloned().or_else(aws_lc_rs).or_else(ring),
            Self::AwsLcRs => aws_lc_rs(),
            Self::Ring => ring(),
        };
        found.ok_or_else(|| {
            Error::new(ErrorKind::Request).context(
                "there is no crypto provider for TLS: turn on the feature `aws-lc-rs` or `ring` of defender-transport, or \
                 install one in the process",
            )
        })
    }
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

/// The configuration of TLS for a client that speaks HTTP/2, and else HTTP/1.1.
pub(crate) fn client_config(roots: &Roots, crypto: Crypto) -> Result<Arc<ClientConfig>, Error> {
    let provider = crypto.provider()?;
    let failed = |source: rustls::Error| {
        Error::new(ErrorKind::Request).context("TLS cannot be set up with these roots").caused_by(source)
    };
    let verifier: Arc<dyn ServerCertVerifier> = match &roots.0 {
        Choice::Platform => Arc::new(Verifier::new(Arc::clone(&provider)).map_err(failed)?),
        Choice::Bundled => webpki(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(), &provider)?,
        Choice::Own(certificates) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates {
                store.add(certificate.clone()).map_err(failed)?;
            }
            webpki(store, &provider)?
        }
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous() // It is the name of the door to a verifier of one's own; both of ours verify.
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn webpki(store: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
    Ok(verifier.map_err(|source| {
        Error::new(ErrorKind::Request).context("TLS cannot be set up with these roots").caused_by(source)
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_with_words() {
        let error = Roots::pem("not a certificate").unwrap_err();
        assert!(error.to_string().contains("BEGIN CERTIFICATE"), "{error}");
    }

    #[cfg(feature = "aws-lc-rs")]
    #[test]
    fn no_provider_is_installed_for_the_process() {
        client_config(&Roots::bundled(), Crypto::Auto).unwrap();
        assert!(CryptoProvider::get_default().is_none());
    }

    #[cfg(not(feature = "ring"))]
    #[test]
    fn a_provider_that_is_not_compiled_in_is_an_error() {
        assert!(client_config(&Roots::bundled(), Crypto::Ring).is_err());
    }
}
