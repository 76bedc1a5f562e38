//! Certificates and a private key, from PEM.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, secret::Secret, token::base64_text};

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Configuration).context(what)
}

/// Every certificate in `pem`, in its order.
pub(super) fn certificates(pem: &Secret) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = blocks(pem.reveal()).filter(|(label, _)| matches!(*label, "CERTIFICATE" | "X509 CERTIFICATE"));
    let found: Option<Vec<_>> = found.map(|(_, body)| Some(CertificateDer::from(decoded(body)?.to_vec()))).collect();
    let found = found.ok_or_else(|| wrong("the certificate is not readable as PEM"))?;
    if found.is_empty() {
        return Err(wrong("there is no `-----BEGIN CERTIFICATE-----` block; give certificate and key in one PEM"));
    }
    Ok(found)
}

/// The private key in `pem`: PKCS#8 as it is or locked by `password`, or PKCS#1.
pub(super) fn private_key(pem: &Secret, password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, Error> {
    let pem = pem.reveal();
    if pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(wrong(
            "the key is locked in OpenSSL's old way; rewrite it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`",
        ));
    }
    let unreadable = || wrong("there is no private key in it that is readable as PEM; give certificate and key in one");
    let key = blocks(pem).find(|(label, _)| label.ends_with("PRIVATE KEY"));
    let (label, body) = key.ok_or_else(unreadable)?;
    if label == "ENCRYPTED PRIVATE KEY" {
        return unlocked(body, password);
    }
    let der = decoded(body).ok_or_else(unreadable)?;
    match label {
        "PRIVATE KEY" => Ok(PrivateKeyDer::Pkcs8(der.to_vec().into())),
        "RSA PRIVATE KEY" => Ok(PrivateKeyDer::Pkcs1(der.to_vec().into())),
        "EC PRIVATE KEY" => Ok(PrivateKeyDer::Sec1(der.to_vec().into())),
        _ => Err(unreadable()),
    }
}

/// The label of each block, and the text between its first line and its last.
///
/// They are read here, since pki-types' own reader decodes every block, and wipes nothing.
fn blocks(pem: &str) -> impl Iterator<Item = (&str, &str)> {
    let blocks = pem.split("-----BEGIN ").skip(1);
    blocks.filter_map(|block| {
        let (label, rest) = block.split_once("-----")?;
        Some((label, rest.split_once("-----END ").map_or(rest, |(body, _)| body)))
    })
}

/// Content of a block, which may be a key.
fn decoded(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(String::with_capacity(body.len()));
    text.extend(body.chars().filter(|char| !char.is_whitespace()));
    base64_text::decoded(&text).map(Zeroizing::new).filter(|der| !der.is_empty())
}

#[cfg(feature = "encrypted-keys")]
fn unlocked(body: &str, password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, Error> {
    use pkcs8::EncryptedPrivateKeyInfo;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    let password = password.ok_or_else(|| wrong("the key is locked; give its password"))?;
    let der = decoded(body).ok_or_else(|| wrong("the locked key is not readable as PEM"))?;
    let locked = EncryptedPrivateKeyInfo::try_from(der.as_slice())
        .map_err(|_| wrong("the locked key is not PKCS#8 in a way that is known here; use AES and PBKDF2 or scrypt"))?;
    // In its place, in memory of ours that is wiped.
    let mut room = Zeroizing::new(locked.encrypted_data.to_vec());
    let key = locked.encryption_algorithm.decrypt_in_place(password.reveal(), &mut room).map_err(|_| {
        wrong("the password does not open the key, or the key is locked in a way that is not known here")
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.to_vec()).into())
}

#[cfg(not(feature = "encrypted-keys"))]
fn unlocked(_: &str, _: Option<&Secret>) -> Result<PrivateKeyDer<'static>, Error> {
    Err(wrong(
        "the key has a password; turn on the feature `encrypted-keys` of this crate, or give the key without one",
    ))
}

#[cfg(test)]
mod tests {
    #[cfg(not(feature = "encrypted-keys"))]
    #[test]
    fn locked_key_names_its_feature() {
        use super::{ErrorKind, Secret, private_key};

        let pem = Secret::new(include_str!("../../../tests/flows/keys/pbkdf2.pem"));
        let error = private_key(&pem, Some(&Secret::new("password"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("turn on the feature `encrypted-keys`"), "{error}");
    }
}
