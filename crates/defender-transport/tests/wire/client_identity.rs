//! A server that demands a client's certificate.

use std::sync::{Arc, Mutex};

use defender_transport::{ClientIdentity, ErrorKind, Transport};
use http::StatusCode;
use rcgen::CertificateParams;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, pki_types::CertificateDer, server::WebPkiClientVerifier};

use crate::server::{Ca, HTTP_1, HTTP_2, assert_error, post, provider, read_request, serve, told, url};

/// The TLS of a server that wants a certificate of `clients`.
fn demanding(ca: &Ca, clients: &Ca, alpn: &[&str]) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots.add(clients.der()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    let signed = ca.sign(&CertificateParams::new(["127.0.0.1".to_owned()]).unwrap());
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_client_cert_verifier(verifier).with_single_cert(signed.chain, signed.key).unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

fn client() -> CertificateParams {
    CertificateParams::new(["soar.contoso.example".to_owned()]).unwrap()
}

#[tokio::test]
async fn a_server_is_shown_the_clients_certificate() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let shown = Arc::new(Mutex::new(Vec::<CertificateDer<'static>>::new()));
    let seen = Arc::clone(&shown);
    let address = serve(demanding(&ca, &clients, HTTP_1), move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            seen.lock().unwrap().extend(certificates.iter().map(|certificate| certificate.clone().into_owned()));
            read_request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let own = clients.sign(&client());
    let identity = ClientIdentity::pem(&own.chain_pem, &own.key_pem).unwrap();
    let transport = ca.transport().client_identity(identity).build().unwrap();
    assert_eq!(transport.send(post(&url(address))).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(*shown.lock().unwrap(), own.chain);
}

#[tokio::test]
async fn missing_client_certificate_means_never_processed() {
    let (ca, clients) = (Ca::new(), Ca::new());
    for alpn in [HTTP_1, HTTP_2] {
        let address = serve(demanding(&ca, &clients, alpn), |_| async { panic!("no handshake is completed") }).await;
        let error = ca.transport().build().unwrap().send(post(&url(address))).await.unwrap_err();
        assert_error(&error, ErrorKind::Connect, true, "the server demands a client certificate");
    }
}

#[tokio::test]
async fn unknown_client_certificate_is_an_error() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let address =
        serve(demanding(&ca, &clients, HTTP_1), |mut stream| async move { while stream.read_u8().await.is_ok() {} })
            .await;
    let own = Ca::new().sign(&client());
    let identity = ClientIdentity::pem(&own.chain_pem, &own.key_pem).unwrap();
    let error = ca.transport().client_identity(identity).build().unwrap().send(post(&url(address))).await.unwrap_err();
    // In TLS 1.3 the server says so when the client's handshake is done, and such an alert might come later too.
    assert_error(&error, ErrorKind::Interrupted, false, "by 127.0.0.1");
    assert!(told(&error).contains("received fatal alert"), "{error:?}");
}

#[test]
fn invalid_identity_error_shows_no_key() {
    let clients = Ca::new();
    let (own, other) = (clients.sign(&client()), clients.sign(&client()));
    let both = format!("{}{}", own.key_pem, own.chain_pem);
    let identity = ClientIdentity::pem(&both, &both).unwrap();
    assert_eq!(format!("{identity:?}"), "ClientIdentity { certificates: 1, .. }");
    for (chain, key, words) in [
        ("", own.key_pem.as_str(), "hold no"),
        (own.chain_pem.as_str(), "", "the client's key is not readable"),
        (own.chain_pem.as_str(), "-----BEGIN PRIVATE KEY-----\ncanary\n", "the client's key is not readable"),
    ] {
        let told = ClientIdentity::pem(chain, key).unwrap_err();
        assert!(told.to_string().contains(words) && !format!("{told:?}").contains("canary"), "{told:?}");
    }
    let mixed = ClientIdentity::pem(&own.chain_pem, &other.key_pem).unwrap();
    let error = clients.transport().client_identity(mixed).build().unwrap_err();
    assert_error(&error, ErrorKind::Request, true, "not the one of its certificate");
}
