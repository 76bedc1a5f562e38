//! People, platforms and administrators, as a test in another language plays them.

use aws_lc_rs::digest;
use http::StatusCode;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, pem::PemObject};
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::{Reply, bad};
use crate::{
    entra::jwt::Claims,
    service::Service,
    store::grants::{Certificate, Federation},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateOrder {
    /// As PEM.
    certificate: String,
}

/// Uploads a certificate to the application.
pub(super) fn certificate(service: &Service, order: &CertificateOrder) -> Reply {
    let der = CertificateDer::from_pem_slice(order.certificate.as_bytes())
        .map_err(|_| bad("certificate is a certificate as PEM"))?;
    let public_key = public_key(&der).ok_or_else(|| bad("the certificate has no public key"))?.to_vec();
    let thumbprint = |algorithm| digest::digest(algorithm, &der).as_ref().to_vec();
    let (sha1, sha256) = (thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY), thumbprint(&digest::SHA256));
    service.grants.trust(Certificate { sha1, sha256, public_key });
    Ok((StatusCode::CREATED, json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FederationOrder {
    issuer: String,
    subject: String,
    #[serde(default = "exchange")]
    audience: String,
    /// As PEM.
    public_key: String,
}

fn exchange() -> String {
    "api://AzureADTokenExchange".to_owned()
}

/// Gives the application a federated credential.
pub(super) fn federation(service: &Service, order: FederationOrder) -> Reply {
    let FederationOrder { issuer, subject, audience, public_key } = order;
    let key = SubjectPublicKeyInfoDer::from_pem_slice(public_key.as_bytes())
        .map_err(|_| bad("publicKey is a public key as PEM (BEGIN PUBLIC KEY)"))?;
    service.grants.federate(Federation { issuer, subject, audience, public_key: key.to_vec() });
    Ok((StatusCode::CREATED, json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeviceCodeOrder {
    user_code: String,
    #[serde(default = "yes")]
    agrees: bool,
}

fn yes() -> bool {
    true
}

/// Enters a device's code, and signs in or declines.
pub(super) fn device_code(service: &Service, order: &DeviceCodeOrder) -> Reply {
    if service.grants.enter(&order.user_code, order.agrees) {
        return Ok((StatusCode::OK, json!({})));
    }
    Err(super::refusal::Refused(StatusCode::NOT_FOUND, format!("unknown device code {}", order.user_code)))
}

/// A token with which a user would call an API that is this application, to be exchanged on the user's behalf.
pub(super) fn user_token(service: &Service) -> Reply {
    let claims = Claims { aud: service.identity.client_id.clone(), ..Claims::of_user(service, service.audience()) };
    let token = service.key.sign(&claims).map_err(|error| bad(error.to_string()))?;
    Ok((StatusCode::OK, json!({ "token": Value::from(token) })))
}

/// The `SubjectPublicKeyInfo` of an X.509 certificate: the last but the extensions of what is signed.
fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (signed, _) = inside(certificate)?;
    let (mut fields, _) = inside(signed)?;
    if fields.first() == Some(&VERSION) {
        fields = inside(fields)?.1;
    }
    // Serial number, algorithm, issuer, times, subject.
    for _ in 0..5 {
        fields = inside(fields)?.1;
    }
    let (_, behind) = inside(fields)?;
    let key = fields.get(..fields.len() - behind.len())?;
    (key.first() == Some(&SEQUENCE)).then_some(key)
}

/// Returns the content of the first value of this DER, and the bytes behind it.
fn inside(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = usize::from(*der.get(1)?);
    let (length, head) = if first < 0x80 {
        (first, 2)
    } else {
        let count = first & 0x7f;
        let digits = der.get(2..2 + count)?;
        (digits.iter().try_fold(0_usize, |sum, digit| Some(sum.checked_mul(256)? + usize::from(*digit)))?, 2 + count)
    };
    let end = head.checked_add(length)?;
    Some((der.get(head..end)?, der.get(end..)?))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData};

    use super::*;

    #[test]
    fn public_key_is_found_in_a_certificate() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        assert_eq!(public_key(certificate.der()), Some(key.subject_public_key_info().as_slice()));
    }

    #[test]
    fn der_that_is_cut_off_has_no_key() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let der = certificate.der();
        assert!((0..der.len()).all(|length| public_key(&der[..length]).is_none()));
        assert_eq!(public_key(&[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
