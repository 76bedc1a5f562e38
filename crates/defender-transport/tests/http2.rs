//! What an HTTP/2 server says of a stream that it ends, over real TLS: whether the request can have been processed.
#![cfg(all(feature = "hyper", feature = "aws-lc-rs"))]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use defender_transport::{Error, ErrorKind, HyperTransport, Roots, Transport};
use h2::Reason;
use http::Request;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

/// How the server ends a stream.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Reset(Reason),
    GoAway(Reason),
}

/// A wire to a server that ends each stream so, and the ids of the tries that came there.
async fn ending(ending: Ending) -> (HyperTransport, String, UnboundedReceiver<String>) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let (seen, ids) = unbounded_channel();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        loop {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let id = request.headers()["client-request-id"].to_str().unwrap().to_owned();
                // The test may have seen enough.
                let _sent = seen.send(id);
                match ending {
                    Ending::Reset(reason) => respond.send_reset(reason),
                    Ending::GoAway(reason) => connection.abrupt_shutdown(reason),
                }
            }
        }
    });
    let wire = HyperTransport::builder().roots(Roots::pem(ca.pem()).unwrap()).build().unwrap();
    (wire, url, ids)
}

async fn post(wire: &HyperTransport, url: &str) -> Error {
    wire.send(Request::post(url).body(Bytes::from_static(b"{}")).unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn a_stream_that_the_server_refused_was_certainly_not_processed() {
    let (wire, url, _ids) = ending(Ending::Reset(Reason::REFUSED_STREAM)).await;
    let error = post(&wire, &url).await;
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.never_sent(), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_ends_in_any_other_way_may_have_been_processed() {
    for end in [
        Ending::Reset(Reason::INTERNAL_ERROR),
        Ending::Reset(Reason::CANCEL),
        Ending::Reset(Reason::NO_ERROR),
        Ending::GoAway(Reason::INTERNAL_ERROR),
        Ending::GoAway(Reason::ENHANCE_YOUR_CALM),
        Ending::GoAway(Reason::REFUSED_STREAM),
    ] {
        let (wire, url, _ids) = ending(end).await;
        let error = post(&wire, &url).await;
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{end:?}");
        assert!(!error.never_sent(), "{end:?}: {error:?}");
    }
}

#[tokio::test]
async fn each_try_has_an_id_of_its_own_in_the_form_of_a_uuid() {
    let (wire, url, mut ids) = ending(Ending::Reset(Reason::CANCEL)).await;
    let mut seen = HashSet::new();
    for _ in 0..20 {
        post(&wire, &url).await;
        let id = ids.recv().await.unwrap();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id.as_bytes()[14], &b'4', "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert!(seen.insert(id));
    }
}
