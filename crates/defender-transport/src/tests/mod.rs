//! The whole stack over a simulated network: real HTTP on both ends, and no time.
//!
//! There is one clock: tokio's, paused, which jumps to the next timer whenever nothing else can go on. hyper's own timers
//! (of its pool, of HTTP/2) are on it in any case, and a [`ManualClock`](crate::testing::ManualClock) beside it would stand
//! still while tokio's jumps. So the layers get a [`Clock`] that reads it.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tokio's paused clock is the clock here, and a helper of a test fails as the test does"
)]

mod dropped;
mod network;
mod pipe;
mod server;
mod silent;
mod storm;
mod tcp;

use std::{sync::Arc, time::Duration};

use http::Uri;
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use tokio::time::Instant;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

use self::{network::Network, server::Server};
use crate::{
    Clock, HyperTransport, PlainHttp, Roots,
    clock::Sleep,
    hyper::dial::{Dialing, Stream},
};

/// Carries the number of a request, which stands for what it asks.
const ID: &str = "x-id";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Tokio's clock, which a test has paused.
#[derive(Clone, Debug)]
struct Paused(Instant);

impl Paused {
    fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Runs `test` on one thread, in no time.
fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

/// The transport, over `network` to `server`, with TLS if its certificate is to be trusted.
fn transport(network: &Network, server: &Server, protocol: Protocol, trusted: Option<Roots>) -> HyperTransport {
    let (network, server, plain) = (network.clone(), server.clone(), trusted.is_none());
    let dial = move |_: &Uri| -> Dialing {
        let (network, server) = (network.clone(), server.clone());
        Box::pin(async move {
            let stream = Stream::new(network.dial(|end| server.accept(end)).await?);
            // Under TLS the server says what it speaks.
            Ok(if plain && protocol == Protocol::Http2 { stream.speaking_http_2() } else { stream })
        })
    };
    let roots = trusted.unwrap_or_else(Roots::bundled);
    HyperTransport::builder().roots(roots).plain_http(PlainHttp::Loopback).over(dial).build().unwrap()
}

/// A certificate, as both ends need it. Each is of the same length, so that a seed cuts a handshake at the same
/// byte each time.
fn tls(protocol: Protocol) -> (TlsAcceptor, Roots) {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    certificate.serial_number = Some(7.into());
    let certificate = certificate.self_signed(&key).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let speaks = if protocol == Protocol::Http2 { "h2" } else { "http/1.1" };
    config.alpn_protocols = vec![speaks.into()];
    (TlsAcceptor::from(Arc::new(config)), Roots::pem(certificate.pem()).unwrap())
}
