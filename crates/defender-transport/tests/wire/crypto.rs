//! Each provider of cryptography, by choice, over a real handshake.

use defender_transport::{Crypto, Transport};
use http::StatusCode;

use crate::server::{Ca, HTTP_1, answer_raw, get, serve, url};

#[tokio::test]
async fn every_compiled_crypto_provider_works() {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", HTTP_1), |stream| answer_raw(stream, b"HTTP/1.1 204 No\r\n\r\n")).await;
    let compiled = [Crypto::Auto, Crypto::AwsLcRs].into_iter();
    for crypto in compiled.chain(cfg!(feature = "ring").then_some(Crypto::Ring)) {
        let transport = ca.transport().crypto(crypto).build().unwrap();
        assert_eq!(transport.send(get(&url(address))).await.unwrap().status(), StatusCode::NO_CONTENT, "{crypto:?}");
    }
}

#[tokio::test]
async fn unknown_alpn_protocol_fails_to_connect() {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", &["spdy/3"]), |_| std::future::ready(())).await;
    let error = ca.transport().build().unwrap().send(get(&url(address))).await.unwrap_err();
    assert!(error.never_sent(), "{error:?}");
}
