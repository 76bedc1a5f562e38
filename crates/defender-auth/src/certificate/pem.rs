//! Certificates and a private key, from PEM.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{Error, ErrorKind, secret::Secret};

/// The label of a key that a password locks.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Configuration).context(what)
}

/// The text without the byte order mark that some editors put before it, which would hide the first block.
fn text(pem: &Secret) -> &str {
    pem.reveal().trim_start_matches('\u{feff}')
}

/// Every certificate in `pem`, in its order.
pub(super) fn certificates(pem: &Secret) -> Result<Vec<CertificateDer<'static>>, Error> {
    // The cause is left out: nothing that was made from text with a key in it goes into an error.
    let found = CertificateDer::pem_slice_iter(text(pem).as_bytes()).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|_| wrong("the certificate is not readable as PEM"))?;
    if found.is_empty() {
        return Err(wrong("there is no `-----BEGIN CERTIFICATE-----` block; give certificate and key in one PEM"));
    }
    Ok(found)
}

/// The private key in `pem`: PKCS#8 as it is or locked by `password`, or PKCS#1.
pub(super) fn private_key(pem: &Secret, password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, Error> {
    let text = text(pem);
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(wrong(
            "the key is locked in OpenSSL's old way; rewrite it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`",
        ));
    }
    match text.find(ENCRYPTED) {
        Some(at) => unlocked(text.get(at..).unwrap_or_default(), password),
        None => PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
            wrong("there is no private key in it that is readable as PEM; give certificate and key in one")
        }),
    }
}

#[cfg(feature = "encrypted-keys")]
fn unlocked(block: &str, password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, Error> {
    use pkcs8::EncryptedPrivateKeyInfo;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use zeroize::Zeroizing;

    let password = password.ok_or_else(|| wrong("the key is locked; give its password"))?;
    let der = body(block).ok_or_else(|| wrong("the locked key is not readable as PEM"))?;
    let locked = EncryptedPrivateKeyInfo::try_from(der.as_slice())
        .map_err(|_| wrong("the locked key is not PKCS#8 in a way that is known here; use AES and PBKDF2 or scrypt"))?;
    let key = locked.decrypt(password.reveal()).map_err(|_| {
        wrong("the password does not open the key, or the key is locked in a way that is not known here")
    })?;
    let key = Zeroizing::new(key.as_bytes().to_vec());
    Ok(PrivatePkcs8KeyDer::from(key.to_vec()).into())
}

#[cfg(not(feature = "encrypted-keys"))]
fn unlocked(_: &str, _: Option<&Secret>) -> Result<PrivateKeyDer<'static>, Error> {
    Err(wrong("the key is locked; turn on the feature `encrypted-keys` of defender-auth, or give it unlocked"))
}

/// What stands in base64 between the first line and the last.
#[cfg(feature = "encrypted-keys")]
fn body(block: &str) -> Option<Vec<u8>> {
    let inside = block.strip_prefix(ENCRYPTED)?.split("-----END").next()?;
    crate::base64_text::decoded(&inside.split_whitespace().collect::<String>())
}
