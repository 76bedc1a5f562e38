//! A certificate: what is signed, with which keys, and what is refused.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use defender_auth::{
    AssertionAlgorithm, ClientCertificateCredential, EnvironmentCredential, Error, ErrorKind, IntoCredential,
};
use defender_transport::{Clock, testing::ManualClock};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use serde_json::Value;
use sha2::Digest;

use crate::support::{Folder, TOKEN, all_of, answering, ask, connected, context, form};

struct Application {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Application {
    fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = CertificateParams::new(vec!["app.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { key, certificate }
    }

    fn pem(&self) -> String {
        self.certificate.pem() + &self.key.serialize_pem()
    }
}

fn block(label: &str, der: &[u8]) -> String {
    let lines: Vec<_> =
        STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn json(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The parts of the assertion that `credential` sends, the last one still encoded, and the text that is signed.
async fn assertion(credential: impl IntoCredential) -> (Value, Value, Vec<u8>, String) {
    let (transport, clock) = (answering(200, TOKEN), ManualClock::new());
    let token = ask(&connected(credential, &transport, &clock), &clock).await.unwrap();
    assert_eq!(token.secret(), "the-token");
    let form = form(&transport.only_request());
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["client_id"], "the-client");
    assert_eq!(form["scope"], "https://api.securitycenter.microsoft.com/.default");
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert!(!form.contains_key("client_secret"));
    let (signed, signature) = form["client_assertion"].rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    (json(head), json(claims), URL_SAFE_NO_PAD.decode(signature).unwrap(), signed.to_owned())
}

fn credential(pem: impl Into<String>) -> ClientCertificateCredential {
    ClientCertificateCredential::new("contoso.com", "the-client", pem)
}

fn refused(credential: ClientCertificateCredential) -> Error {
    let error = credential.into_credential(&context(&answering(200, TOKEN), &ManualClock::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error
}

#[tokio::test]
async fn assertion_follows_entra_documentation() {
    let application = Application::new();
    let (head, claims, signature, signed) = assertion(credential(application.pem())).await;
    let thumbprint = URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(application.certificate.der()));
    assert_eq!(head, serde_json::json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint }));
    let now = ManualClock::new().now().as_second();
    assert_eq!(claims["aud"], "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token");
    assert_eq!((&claims["iss"], &claims["sub"]), (&"the-client".into(), &"the-client".into()));
    assert_eq!((claims["nbf"].as_i64(), claims["iat"].as_i64()), (Some(now), Some(now)));
    assert_eq!(claims["exp"], now + 600);
    let jti: uuid::Uuid = claims["jti"].as_str().unwrap().parse().unwrap();
    assert_eq!(jti.get_version_num(), 4);
    assert_eq!(jti.get_variant(), uuid::Variant::RFC4122);
    let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, application.key.der_bytes());
    key.verify(signed.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn rs256_has_sha1_thumbprint_and_optional_chain() {
    let (application, issuer) = (Application::new(), Application::new());
    let pem = issuer.certificate.pem() + &application.pem();
    let credential = credential(pem).algorithm(AssertionAlgorithm::Rs256).send_chain();
    let (head, _, signature, signed) = assertion(credential).await;
    assert_eq!(head["alg"], "RS256");
    assert_eq!(head["x5t"], URL_SAFE_NO_PAD.encode(sha1::Sha1::digest(application.certificate.der())));
    let chain = [&application, &issuer].map(|one| Value::from(STANDARD.encode(one.certificate.der())));
    assert_eq!(head["x5c"], Value::from(chain.to_vec()));
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, application.key.der_bytes());
    key.verify(signed.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn chain_is_sent_if_environment_says_so() {
    let (application, folder) = (Application::new(), Folder::new());
    let file = folder.path().join("application.pem");
    std::fs::write(&file, application.pem()).unwrap();
    let file = format!("{}\n", file.display());
    for (variable, is_sent) in [("1", true), ("true\n", true), (" TRUE\r\n", true), ("0", false), ("\n", false)] {
        let found = EnvironmentCredential::from_variables(|name| match name {
            "AZURE_TENANT_ID" => Some("contoso.com\n".into()),
            "AZURE_CLIENT_ID" => Some("the-client\n".into()),
            "AZURE_CLIENT_CERTIFICATE_PATH" => Some(file.clone().into()),
            "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN" => Some(variable.into()),
            _ => None,
        });
        let (head, ..) = assertion(found.unwrap()).await;
        assert_eq!(head.get("x5c").is_some(), is_sent, "{variable:?}");
    }
}

#[tokio::test]
async fn every_request_has_new_assertion() {
    let pem = Application::new().pem();
    let (_, first, ..) = assertion(credential(pem.clone())).await;
    let (_, second, ..) = assertion(credential(pem)).await;
    assert_ne!(first["jti"], second["jti"]);
}

#[tokio::test]
async fn a_key_may_be_pkcs1_or_locked() {
    let application = Application::new();
    let der = application.key.serialize_der();
    let key = pkcs8::PrivateKeyInfo::try_from(der.as_slice()).unwrap();
    let pkcs1 = application.certificate.pem() + &block("RSA PRIVATE KEY", key.private_key);
    let how = pkcs8::pkcs5::pbes2::Parameters::pbkdf2_sha256_aes256cbc(2_048, b"saltsalt", &[7; 16]).unwrap();
    let locked = key.encrypt_with_params(how, "the-password").unwrap();
    let locked = application.certificate.pem() + &block("ENCRYPTED PRIVATE KEY", locked.as_bytes());
    for credential in [credential(pkcs1), credential(locked.clone()).password("the-password")] {
        let (_, _, signature, signed) = assertion(credential).await;
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, application.key.der_bytes());
        key.verify(signed.as_bytes(), &signature).unwrap();
    }
    assert!(refused(credential(locked.clone())).to_string().contains("give its password"));
    let wrong = refused(credential(locked).password("canary"));
    assert!(wrong.to_string().contains("password does not open") && !all_of(&wrong).contains("canary"), "{wrong}");
}

#[test]
fn a_key_that_openssl_locked_is_opened() {
    for pem in [include_str!("keys/pbkdf2.pem"), include_str!("keys/scrypt.pem"), include_str!("keys/sha1.pem")] {
        let credential = credential(pem).password("correct horse");
        credential.into_credential(&context(&answering(200, TOKEN), &ManualClock::new())).unwrap();
    }
}

#[test]
fn unusable_signing_key_is_refused() {
    let (application, other) = (Application::new(), Application::new());
    let curve = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let curved = CertificateParams::new(vec![]).unwrap().self_signed(&curve).unwrap();
    let body: String = application.key.serialize_pem().lines().skip(1).take(3).collect();
    for (pem, words) in [
        (String::new(), "no private key"),
        ("canary".to_owned(), "no private key"),
        (application.certificate.pem(), "no private key"),
        (application.key.serialize_pem(), "no `-----BEGIN CERTIFICATE-----`"),
        (application.certificate.pem() + &other.key.serialize_pem(), "not the certificate's"),
        (curved.pem() + &curve.serialize_pem(), "not an RSA key"),
        (application.certificate.pem() + &block("PRIVATE KEY", b"canary"), "not usable"),
        (application.certificate.pem() + "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "old way"),
        (application.certificate.pem() + "-----BEGIN ENCRYPTED PRIVATE KEY-----\ncanary!", "password"),
    ] {
        let error = refused(credential(pem));
        assert!(error.to_string().contains(words), "{error}");
        assert!(!all_of(&error).contains("canary") && !all_of(&error).contains(&body), "{error:?}");
    }
    assert!(refused(ClientCertificateCredential::new("t", " ", application.pem())).to_string().contains("client id"));
}

#[tokio::test]
async fn nothing_shows_the_key() {
    let pem = Application::new().pem();
    let body: String = pem.lines().nth(25).unwrap().to_owned();
    let credential = credential(pem).password("canary");
    let shown = format!("{credential:?} {credential:#?}");
    let live = connected(credential, &answering(200, TOKEN), &ManualClock::new());
    let shown = format!("{shown} {live:?} {live:#?}");
    assert!(!shown.contains(&body) && !shown.contains("canary"), "{shown}");
}
