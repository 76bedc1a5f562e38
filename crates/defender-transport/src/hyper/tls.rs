//! Whom to trust, as whom to be known, and with which cryptography: chosen in code.
//!
//! The choice is never left to features alone: cargo adds the features of every crate in a build together, so that a
//! neighbour's feature would change whom a program trusts. And it is never left to rustls' process-wide default, which
//! panics where two providers are compiled in.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use rustls_platform_verifier::Verifier;
use zeroize::Zeroize;

use super::pem::{Bundle, element, private_key};
use crate::{Error, ErrorKind};

/// Authorities that a server's certificate must come from.
///
/// Where a proxy inspects some connections and leaves others alone, both its CA and the platform's are needed:
///
/// ```no_run
/// use defender_transport::{HyperTransport, Roots};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let roots = Roots::platform().and_pem(std::fs::read("company-ca.pem")?)?;
/// let transport = HyperTransport::builder().roots(roots).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Roots {
    base: Base,
    own: Vec<CertificateDer<'static>>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Base {
    #[default]
    Platform,
    Bundled,
    None,
}

impl Roots {
    /// The operating system's, and those that its administrator added. The default.
    #[must_use]
    pub fn platform() -> Self {
        Self::default()
    }

    /// Mozilla's, as they were when this crate was built: for an image without a certificate store.
    #[must_use]
    pub fn bundled() -> Self {
        Self { base: Base::Bundled, own: Vec::new() }
    }

    /// Only the certificates in `pem`, such as a company's own CA.
    ///
    /// A bundle may begin with a byte order mark, hold OpenSSL's `TRUSTED CERTIFICATE` blocks, and hold broken certificates,
    /// which are passed over.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`] where `pem` is not PEM or holds no certificate that can be used.
    pub fn pem(pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self { base: Base::None, own: Vec::new() }.and_pem(pem)
    }

    /// These and the certificates in `pem`, as with [`pem`](Self::pem).
    ///
    /// # Errors
    ///
    /// As [`pem`](Self::pem).
    pub fn and_pem(mut self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let wrong = |what: &str| Error::new(ErrorKind::Request).context(format!("the CA certificates {what}"));
        let bundle = bundle(pem.as_ref(), "the CA certificates")?;
        let found = bundle.certificates.len();
        let own = bundle.certificates.into_iter().map(CertificateDer::from);
        let before = self.own.len();
        self.own.extend(own.filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok()));
        if self.own.len() == before {
            return Err(wrong(&format!(
                "cannot be used: {} of {} are broken",
                found,
                found.saturating_add(bundle.broken)
            )));
        }
        Ok(self)
    }
}

/// The certificate by which a client is known to servers that ask for one, and its key: mutual TLS.
///
/// ```no_run
/// use defender_transport::{ClientIdentity, HyperTransport};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let identity = ClientIdentity::pem(std::fs::read("client.pem")?, std::fs::read("client-key.pem")?)?;
/// let transport = HyperTransport::builder().client_identity(identity).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<Key>,
}

struct Key(PrivateKeyDer<'static>);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ClientIdentity {
    /// The certificates in `chain`, the client's own first, and the first private key in `key` (PKCS #8, PKCS #1 or SEC 1,
    /// without a password). Both may be the same text.
    ///
    /// That the key belongs to the certificate is seen when the transport is built.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`] where one of them is not PEM or holds none.
    pub fn pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let bundle = bundle(chain.as_ref(), "the client's certificates")?;
        if bundle.broken > 0 {
            return Err(Error::new(ErrorKind::Request).context("the client's certificates are not readable as PEM"));
        }
        let chain = bundle.certificates.into_iter().map(CertificateDer::from).collect();
        let key = private_key(key.as_ref()).and_then(|(label, der)| match label.as_str() {
            "PRIVATE KEY" => Some(PrivateKeyDer::Pkcs8(der.to_vec().into())),
            "RSA PRIVATE KEY" => Some(PrivateKeyDer::Pkcs1(der.to_vec().into())),
            "EC PRIVATE KEY" => Some(PrivateKeyDer::Sec1(der.to_vec().into())),
            _ => None,
        });
        // The text that was read is not reported: it might be the key.
        let key = key.ok_or_else(|| {
            Error::new(ErrorKind::Request)
                .context("the client's key is not readable: it must be a PEM block of a private key without a password")
        })?;
        Ok(Self { chain, key: Arc::new(Key(key)) })
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Cryptography provider of TLS.
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

fn bundle(pem: &[u8], whose: &str) -> Result<Bundle, Error> {
    let bundle = Bundle::read(pem);
    if bundle.certificates.is_empty() {
        let what = match bundle.broken {
            0 if element(pem) == Some(pem.len()) => {
                "are DER and not PEM; rewrite them with `openssl x509 -inform der -in FILE -out FILE.pem`"
            }
            0 => "hold no `-----BEGIN CERTIFICATE-----` block",
            _ => "are not readable as PEM",
        };
        return Err(Error::new(ErrorKind::Request).context(format!("{whose} {what}")));
    }
    Ok(bundle)
}

/// The configuration of TLS for a client that speaks HTTP/2, and else HTTP/1.1.
pub(crate) fn client_config(
    roots: &Roots,
    crypto: Crypto,
    identity: Option<&ClientIdentity>,
) -> Result<Arc<ClientConfig>, Error> {
    let provider = crypto.provider()?;
    let failed = |source: rustls::Error| {
        Error::new(ErrorKind::Request).context("TLS cannot be set up with these roots").caused_by(source)
    };
    let verifier: Arc<dyn ServerCertVerifier> = match roots.base {
        Base::Platform if roots.own.is_empty() => Arc::new(Verifier::new(Arc::clone(&provider)).map_err(failed)?),
        Base::Platform => Arc::new(platform_and(&roots.own, &provider).map_err(failed)?),
        base => {
            let mut store = RootCertStore::empty();
            if matches!(base, Base::Bundled) {
                store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            for certificate in &roots.own {
                store.add(certificate.clone()).map_err(failed)?;
            }
            webpki(store, &provider)?
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous() // It is the name of the door to a verifier of one's own; both of ours verify.
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            config.with_client_auth_cert(identity.chain.clone(), identity.key.0.clone_key()).map_err(|source| {
                Error::new(ErrorKind::Request)
                    .context("the client's key cannot be used, or is not the one of its certificate")
                    .caused_by(source)
            })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(not(target_os = "android"))]
fn platform_and(own: &[CertificateDer<'static>], provider: &Arc<CryptoProvider>) -> Result<Verifier, rustls::Error> {
    Verifier::new_with_extra_roots(own.iter().cloned(), Arc::clone(provider))
}

#[cfg(target_os = "android")]
fn platform_and(_: &[CertificateDer<'static>], _: &Arc<CryptoProvider>) -> Result<Verifier, rustls::Error> {
    Err(rustls::Error::General("Android's verifier takes no further roots".to_owned()))
}

/// The same, for a server that is to be spoken to over HTTP/1.1.
pub(crate) fn over_http_1(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
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
    fn invalid_certificate_is_refused() {
        let error = Roots::pem("not a certificate").unwrap_err();
        assert!(error.to_string().contains("BEGIN CERTIFICATE"), "{error}");
    }

    #[cfg(feature = "aws-lc-rs")]
    #[test]
    fn no_provider_is_installed_for_the_process() {
        client_config(&Roots::bundled(), Crypto::Auto, None).unwrap();
        assert!(CryptoProvider::get_default().is_none());
    }

    /// The name of the source of randomness, by which providers can be told apart.
    fn provider(crypto: Crypto) -> Option<String> {
        crypto.provider().ok().map(|provider| format!("{:?}", provider.secure_random))
    }

    #[test]
    fn missing_crypto_provider_is_an_error() {
        let aws_lc_rs = cfg!(feature = "aws-lc-rs").then(|| "AwsLcRs".to_owned());
        let ring = cfg!(feature = "ring").then(|| "Ring".to_owned());
        assert_eq!(provider(Crypto::AwsLcRs), aws_lc_rs);
        assert_eq!(provider(Crypto::Ring), ring);
        assert_eq!(provider(Crypto::Auto), aws_lc_rs.or(ring), "the process has installed none");
    }
}
