//! The assertion that an application signs:
//! <https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials>.

use std::{fmt, sync::Arc, time::Duration};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    crypto::CryptoProvider,
    pki_types::CertificateDer,
    sign::{CertifiedKey, SigningKey},
};
use serde_json::json;
use sha2::Digest;
use zeroize::Zeroizing;

use super::{pem, provider::provider};
use crate::{Error, ErrorKind, secret::Secret};

/// Lifetime of an assertion, as in MSAL. An assertion is used at once; the rest allows for clocks that differ.
const LIFETIME: Duration = Duration::from_secs(600);

/// Algorithm that signs an assertion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssertionAlgorithm {
    /// RSA-PSS, and the certificate named by its SHA-256, as Microsoft documents.
    #[default]
    Ps256,
    /// RSA with PKCS#1 padding, and the certificate named by its SHA-1: for keys that cannot do the other.
    Rs256,
}

/// Signs assertions of one client.
pub(crate) struct Signer {
    key: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
    provider: Arc<CryptoProvider>,
    /// The first part of every assertion, encoded.
    head: String,
    client_id: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("scheme", &self.scheme)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Signer {
    pub(super) fn new(
        pem: &Secret,
        password: Option<&Secret>,
        algorithm: AssertionAlgorithm,
        send_chain: bool,
        client_id: String,
    ) -> Result<Self, Error> {
        let wrong = |what: &str| Error::new(ErrorKind::Configuration).context(what);
        let provider = provider()?;
        let key = pem::private_key(pem, password)?;
        let key = provider.key_provider.load_private_key(key).map_err(|_| wrong("the private key is not usable"))?;
        if key.algorithm() != SignatureAlgorithm::RSA {
            return Err(wrong("the private key is not an RSA key, and Entra documents no other"));
        }
        let chain = ordered(pem::certificates(pem)?, &key)?;
        let leaf = chain.first().ok_or_else(|| wrong("there is no certificate"))?;
        let (alg, scheme, name, thumbprint) = match algorithm {
            AssertionAlgorithm::Ps256 => {
                ("PS256", SignatureScheme::RSA_PSS_SHA256, "x5t#S256", sha2::Sha256::digest(leaf).to_vec())
            }
            AssertionAlgorithm::Rs256 => {
                ("RS256", SignatureScheme::RSA_PKCS1_SHA256, "x5t", sha1::Sha1::digest(leaf).to_vec())
            }
        };
        let Some(signer) = key.choose_scheme(&[scheme]) else {
            return Err(wrong("the crypto provider cannot sign so with this key"));
        };
        // The numbers of a damaged key do not fit each other, which a provider may notice only when it signs.
        signer.sign(leaf).map_err(|_| wrong("the private key is damaged: no signature can be made with it"))?;
        let mut head = json!({ "alg": alg, "typ": "JWT", name: URL_SAFE_NO_PAD.encode(thumbprint) });
        if let (true, Some(head)) = (send_chain, head.as_object_mut()) {
            head.insert("x5c".to_owned(), chain.iter().map(|der| STANDARD.encode(der)).collect::<Vec<_>>().into());
        }
        let head = URL_SAFE_NO_PAD.encode(head.to_string());
        Ok(Self { key, scheme, provider, head, client_id })
    }

    /// An assertion for `audience`, the token endpoint's URL.
    pub(crate) fn sign(&self, audience: &str, now: Timestamp) -> Result<Secret, Error> {
        let failed = |what: &str| Error::new(ErrorKind::Other).context(what);
        let claims = json!({
            "aud": audience,
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": self.guid().ok_or_else(|| failed("the system gives no random bytes"))?,
            "nbf": now.as_second(),
            "iat": now.as_second(),
            "exp": now.as_second().saturating_add_unsigned(LIFETIME.as_secs()),
        });
        let signed = format!("{}.{}", self.head, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.key.choose_scheme(&[self.scheme]).and_then(|key| key.sign(signed.as_bytes()).ok());
        let signature = signature.ok_or_else(|| failed("the assertion could not be signed"))?;
        let signature = Zeroizing::new(URL_SAFE_NO_PAD.encode(signature));
        Ok(Secret::new([&signed, ".", &signature].concat()))
    }

    /// A random GUID, of version 4.
    fn guid(&self) -> Option<String> {
        let mut bytes = [0; 16];
        self.provider.secure_random.fill(&mut bytes).ok()?;
        let random = u128::from_be_bytes(bytes);
        let guid = random & !(0xf << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
        let hex = format!("{guid:032x}");
        let (first, rest) = hex.split_at_checked(8)?;
        let (second, rest) = rest.split_at_checked(4)?;
        let (third, rest) = rest.split_at_checked(4)?;
        let (fourth, fifth) = rest.split_at_checked(4)?;
        Some(format!("{first}-{second}-{third}-{fourth}-{fifth}"))
    }
}

/// The certificates with the key's own first, wherever in the file it stood.
fn ordered(
    mut certificates: Vec<CertificateDer<'static>>,
    key: &Arc<dyn SigningKey>,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let fits = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match().is_ok()
    };
    let Some(at) = certificates.iter().position(fits) else {
        return Err(Error::new(ErrorKind::Configuration).context("the private key is not the certificate's"));
    };
    let leaf = certificates.remove(at);
    certificates.insert(0, leaf);
    Ok(certificates)
}
