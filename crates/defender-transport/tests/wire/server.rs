//! A server as raw as a test needs it: TLS on 127.0.0.1, and a function that is given each connection.

use std::{error::Error as StdError, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use defender_transport::{Error, ErrorKind, HyperTransport, HyperTransportBuilder, Proxy, Roots};
use http::{Request, header::AUTHORIZATION};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, PrivateKeyDer},
    },
    server::TlsStream,
};

pub(crate) const HTTP_1: &[&str] = &["http/1.1"];
pub(crate) const HTTP_2: &[&str] = &["h2"];

/// Stands where a secret would, and must be seen in no error and at no other server.
pub(crate) const CANARY: &str = "canary-7f3a";

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Somebody who signs certificates.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, signed by a [`Ca`].
pub(crate) struct Signed {
    pub(crate) chain_pem: String,
    pub(crate) key_pem: String,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of one name could not be told apart by it.
        params.distinguished_name.push(DnType::CommonName, format!("CA {}", fastrand::u64(..)));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn sign(&self, params: &CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        Signed {
            chain_pem: leaf.pem(),
            key_pem: key.serialize_pem(),
            chain: vec![leaf.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    /// The TLS of a server whose certificate is for `name`.
    pub(crate) fn server(&self, name: &str, alpn: &[&str]) -> ServerConfig {
        tls(self.sign(&CertificateParams::new([name.to_owned()]).unwrap()), alpn)
    }

    /// A transport that trusts it.
    pub(crate) fn transport(&self) -> HyperTransportBuilder {
        HyperTransport::builder().roots(Roots::pem(self.pem()).unwrap()).proxy(Proxy::none())
    }
}

pub(crate) fn tls(signed: Signed, alpn: &[&str]) -> ServerConfig {
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(signed.chain, signed.key).unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// Gives each connection whose handshake went well to `serve`, for as long as the test's runtime lives.
pub(crate) async fn serve<F, R>(tls: ServerConfig, serve: F) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (acceptor, serve) = (TlsAcceptor::from(Arc::new(tls)), Arc::new(serve));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let (acceptor, serve) = (acceptor.clone(), Arc::clone(&serve));
            tokio::spawn(async move {
                match acceptor.accept(tcp).into_fallible().await {
                    Ok(stream) => serve(stream).await,
                    // What is closed with something unread is reset, and then the alert that was sent may be lost.
                    Err((_, mut tcp)) => while tcp.read_u8().await.is_ok() {},
                }
            });
        }
    });
    address
}

/// Reads one request of HTTP/1.1, and gives its head and its body; nothing where the connection ends before.
pub(crate) async fn read_request(stream: &mut TlsStream<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = read.split_off(end);
    let head = String::from_utf8(read).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

/// Writes a response of HTTP/1.1 and waits until the client has gone.
pub(crate) async fn answer_raw(mut stream: TlsStream<TcpStream>, response: &[u8]) {
    if read_request(&mut stream).await.is_some() && stream.write_all(response).await.is_ok() {
        stream.flush().await.unwrap_or_default();
        while stream.read_u8().await.is_ok() {}
    }
}

pub(crate) fn url(address: SocketAddr) -> String {
    format!("https://{address}/")
}

pub(crate) fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

/// A POST that bears the canary in a header and in its body.
pub(crate) fn post(url: &str) -> Request<Bytes> {
    Request::post(url).header(AUTHORIZATION, CANARY).body(Bytes::from(format!(r#"{{"Comment":"{CANARY}"}}"#))).unwrap()
}

/// Everything that an error and its causes say, in both forms.
pub(crate) fn told(error: &Error) -> String {
    let chain = std::iter::successors(Some(error as &dyn StdError), |error| (*error).source());
    chain.fold(format!("{error:?}"), |told, error| told + "\n" + &error.to_string())
}

/// Checks the kind of an error, whether it was certainly never sent, what it says, and that it says it once and without a
/// word of the request.
#[track_caller]
pub(crate) fn assert_error(error: &Error, kind: ErrorKind, never_sent: bool, words: &str) {
    let told = told(error);
    assert_eq!((error.kind(), error.never_sent()), (kind, never_sent), "{told}");
    assert!(error.to_string().contains(words), "{told}");
    assert!(!told.contains(CANARY), "{told}");
}
