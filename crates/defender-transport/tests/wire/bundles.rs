//! Bundles of CA certificates as people have them, and companies' CAs beside the platform's.

use base64::{Engine, engine::general_purpose::STANDARD};
use defender_transport::{ClientIdentity, Roots, Transport};
use rcgen::CertificateParams;
use tokio::io::AsyncWriteExt;

use crate::server::{Ca, HTTP_1, post, read_request, serve, told, url};

/// The certificate of `ca` as OpenSSL writes it with `-trustout`: followed by for what it is trusted.
fn trusted(ca: &Ca) -> String {
    let der = [&*ca.der(), &[0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0]].concat();
    format!("-----BEGIN TRUSTED CERTIFICATE-----\n{}\n-----END TRUSTED CERTIFICATE-----\n", STANDARD.encode(der))
}

#[tokio::test]
async fn bundle_is_taken_as_it_is_found() {
    let (ca, other) = (Ca::new(), Ca::new());
    let address = serve(ca.server("127.0.0.1", HTTP_1), |mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    })
    .await;
    let no_der = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let no_base64 = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let cut: String = other.pem().chars().take(200).collect();
    for bundle in [
        ca.pem(),
        format!("\u{feff}{}", ca.pem()),
        format!("\u{feff}{}", ca.pem().replace('\n', "\r\n")),
        format!("{no_der}{}", ca.pem()),
        format!("{no_base64}{}{no_der}", ca.pem()),
        format!("{cut}\n{}", ca.pem()),
        format!("{}{}{cut}", other.pem(), ca.pem()),
        trusted(&ca),
        format!("\u{feff}{}{}", trusted(&other), trusted(&ca)),
        ca.pem().replace("CERTIFICATE", "X509 CERTIFICATE"),
        format!("subject=CN = x\nissuer=CN = y\n{}trailing text", ca.pem()),
    ] {
        for roots in [
            Roots::pem(&bundle).unwrap(),
            Roots::platform().and_pem(&bundle).unwrap(),
            Roots::bundled().and_pem(&bundle).unwrap(),
            Roots::pem(other.pem()).unwrap().and_pem(&bundle).unwrap(),
        ] {
            let transport = ca.transport().roots(roots).build().unwrap();
            let outcome = transport.send(post(&url(address))).await;
            assert!(outcome.is_ok(), "{bundle}: {}", told(&outcome.unwrap_err()));
        }
    }
    // What is added takes nothing away, and adds nothing else.
    let roots = Roots::platform().and_pem(other.pem()).unwrap();
    let error = ca.transport().roots(roots).build().unwrap().send(post(&url(address))).await.unwrap_err();
    assert!(error.is_permanent() && error.to_string().contains("not trusted"), "{error}");
}

#[test]
fn bundle_without_usable_certificate_fails() {
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let der = Ca::new().der();
    for (bundle, words) in [
        (&b""[..], "BEGIN CERTIFICATE"),
        (b"\xef\xbb\xbf", "BEGIN CERTIFICATE"),
        (broken.as_bytes(), "1 of 1 are broken"),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "not readable as PEM"),
        (&der, "openssl x509 -inform der"),
    ] {
        for roots in [Roots::pem(bundle), Roots::platform().and_pem(bundle)] {
            let error = roots.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}

#[test]
fn client_identity_may_have_a_bom() {
    let own = Ca::new().sign(&CertificateParams::new(["soar.example".to_owned()]).unwrap());
    let marked = |pem: &str| format!("\u{feff}{pem}");
    ClientIdentity::pem(marked(&own.chain_pem), marked(&own.key_pem)).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    ClientIdentity::pem(format!("{broken}{}", own.chain_pem), &own.key_pem).unwrap_err();
}
