//! The transport of responses: TLS, both versions of HTTP, compression, and the end.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use defender_emulator::{Deflate, Emulator};
use defender_transport::{ErrorKind, HyperTransport, Roots, Transport};
use http::{Request, Version};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::driver::{Driver, ends, unrestrict_path};

fn address(emulator: &Emulator) -> SocketAddr {
    emulator.base_url().strip_prefix("https://").unwrap().parse().unwrap()
}

/// A connection by hand, which needs no task of its own.
async fn connect(emulator: &Emulator, protocols: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address(emulator)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn http_2_is_negotiated() {
    let driver = Driver::start().await;
    assert_eq!(driver.get("/api/machineactions/some").await.version, Version::HTTP_2);
}

#[tokio::test]
async fn http_1_only_client_is_served() {
    let driver = Driver::start().await;
    let mut stream = connect(&driver.emulator, &["http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    stream
        .write_all(b"GET /api/machineactions/some HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{response}");
    assert_eq!(response.matches("\r\ndate: ").count(), 1, "{response}");
}

#[tokio::test]
async fn client_without_the_ca_does_not_connect() {
    let (one, two) = (Emulator::start().await.unwrap(), Emulator::start().await.unwrap());
    let wire = HyperTransport::builder().roots(Roots::pem(two.ca_pem()).unwrap()).build().unwrap();
    let error = wire.send(Request::get(one.base_url()).body(Bytes::new()).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
}

#[tokio::test]
async fn no_crypto_provider_is_installed_for_the_process() {
    let _driver = Driver::start().await;
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn only_the_loopback_is_listened_on() {
    let driver = Driver::start().await;
    assert!(address(&driver.emulator).ip().is_loopback());
}

#[tokio::test]
async fn both_forms_of_deflate_are_decompressed() {
    for (deflate, zlib) in [(Deflate::Zlib, true), (Deflate::Raw, false)] {
        let driver = Driver::with(|builder| builder.deflate(deflate)).await;
        let token = driver.token().await;
        let request = || driver.request_to_post(&unrestrict_path(), &token, "{}");
        let packed = driver.send(request()).await;
        assert_eq!(packed.status, 400);
        assert_eq!(packed.header("content-encoding"), "deflate");
        assert_eq!(packed.body[0] == 0x78, zlib, "{deflate:?}");
        // It is not announced, of which HTTP/1.1 makes chunks.
        assert_eq!(packed.header("content-length"), "");
        let plain = driver.send_decompressed(request()).await;
        assert_eq!(plain.code(), "MissingRequiredParameter", "{deflate:?}");
    }
}

#[tokio::test]
async fn uncompressed_is_the_default() {
    let driver = Driver::start().await;
    assert_eq!(driver.post(&unrestrict_path(), "{}").await.header("content-encoding"), "");
}

#[tokio::test]
async fn taken_port_is_an_error_with_advice() {
    let one = Emulator::start().await.unwrap();
    let port = address(&one).port();
    let error = Emulator::builder().port(port).start().await.unwrap_err();
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}; choose another port")), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_dropped_emulator_refuses_connections_at_once() {
    let emulator = Emulator::start().await.unwrap();
    let address = address(&emulator);
    TcpStream::connect(address).await.unwrap();
    drop(emulator);
    // By the standard library, so that the runtime gets no turn between.
    let refused = std::net::TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn dropped_emulator_leaves_no_task() {
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let emulator = Emulator::start().await.unwrap();
    let mut idle = connect(&emulator, &["h2"]).await;
    let mut waiting = connect(&emulator, &["http/1.1"]).await;
    // The emulator waits for the rest of this body.
    waiting.write_all(b"POST /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{").await.unwrap();
    assert!(tasks.num_alive_tasks() > before);
    drop(emulator);
    for stream in [&mut idle, &mut waiting] {
        let mut rest = Vec::new();
        // A cut, or a clean end, but an end.
        let _ended = ends(stream.read_to_end(&mut rest)).await;
        assert!(!rest.starts_with(b"HTTP/1.1"), "{rest:?}");
    }
    assert_eq!(tasks.num_alive_tasks(), before);
}
