//! A server whose certificate will not do is refused, and the error says why.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use defender_transport::{ErrorKind, Roots, Transport};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};

use crate::server::{Ca, HTTP_1, HTTP_2, assert_error, post, serve, tls, url};

/// Error of a transport that trusts `trusted` with a server that has such a certificate; the server must see nothing.
async fn refusal(signed: crate::server::Signed, trusted: &Ca, words: &str) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let address = serve(tls(signed, HTTP_2), move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(())
    })
    .await;
    let error = trusted.transport().build().unwrap().send(post(&url(address))).await.unwrap_err();
    assert_error(&error, ErrorKind::Connect, true, words);
    assert_eq!(seen.load(Ordering::SeqCst), 0, "no handshake was completed");
}

fn for_loopback() -> CertificateParams {
    CertificateParams::new(["127.0.0.1".to_owned()]).unwrap()
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_named() {
    let ca = Ca::new();
    let mut expired = for_loopback();
    expired.not_before = date_time_ymd(2019, 1, 1);
    expired.not_after = date_time_ymd(2020, 1, 1);
    refusal(ca.sign(&expired), &ca, "the server's certificate has expired").await;
}

#[tokio::test]
async fn future_certificate_is_refused_by_name() {
    let ca = Ca::new();
    let mut future = for_loopback();
    future.not_before = date_time_ymd(3000, 1, 1);
    refusal(ca.sign(&future), &ca, "the server's certificate is not valid yet").await;
}

#[tokio::test]
async fn wrong_host_certificate_is_refused_by_name() {
    let ca = Ca::new();
    let other = CertificateParams::new(["elsewhere.example".to_owned()]).unwrap();
    refusal(ca.sign(&other), &ca, "the server's certificate is for another host").await;
}

#[tokio::test]
async fn unknown_ca_certificate_is_refused_by_name() {
    let words = "the server's certificate comes from a CA that is not trusted";
    refusal(Ca::new().sign(&for_loopback()), &Ca::new(), words).await;
}

#[tokio::test]
async fn a_certificate_for_another_purpose_is_refused() {
    let ca = Ca::new();
    let mut client = for_loopback();
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    refusal(ca.sign(&client), &ca, "the server's certificate is not acceptable").await;
}

#[tokio::test]
async fn unknown_ca_is_refused_by_any_roots() {
    let address = serve(Ca::new().server("127.0.0.1", HTTP_1), |_| std::future::ready(())).await;
    for roots in [Roots::platform(), Roots::bundled()] {
        let transport = Ca::new().transport().roots(roots).build().unwrap();
        let error = transport.send(post(&url(address))).await.unwrap_err();
        assert_error(&error, ErrorKind::Connect, true, "not trusted");
    }
}
