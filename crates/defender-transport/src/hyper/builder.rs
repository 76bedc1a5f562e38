//! Configuration of the transport.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

use super::{
    dial::Dial,
    parts::Parts,
    tcp::Tcp,
    tls::{client_config, over_http_1},
};
use crate::{ClientIdentity, Clock, Crypto, Error, ErrorKind, HyperTransport, PlainHttp, Proxy, Roots, SystemClock};

impl HyperTransport {
    /// A transport with every default.
    ///
    /// # Errors
    ///
    /// As [`HyperTransportBuilder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Builder of a transport.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }
}

/// Sets up a [`HyperTransport`].
///
/// ```no_run
/// use std::time::Duration;
///
/// use defender_transport::{HyperTransport, Roots};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let company_ca = std::fs::read("/etc/ssl/company-ca.pem")?; // of a proxy that inspects TLS
/// let transport = HyperTransport::builder()
///     .application("contoso-soar/2.1")
///     .roots(Roots::platform().and_pem(company_ca)?)
///     .connect_timeout(Duration::from_secs(5))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is made until `build`"]
pub struct HyperTransportBuilder {
    roots: Roots,
    crypto: Crypto,
    client_identity: Option<ClientIdentity>,
    proxy: Proxy,
    plain_http: PlainHttp,
    application: Option<String>,
    connect_timeout: Duration,
    pool_idle: Duration,
    max_head: u32,
    max_headers: Option<usize>,
    http1_only: bool,
    clock: Option<Arc<dyn Clock>>,
    dial: Option<Arc<dyn Dial>>,
}

impl Default for HyperTransportBuilder {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            crypto: Crypto::default(),
            client_identity: None,
            proxy: Proxy::default(),
            plain_http: PlainHttp::default(),
            application: None,
            connect_timeout: Duration::from_secs(10),
            pool_idle: Duration::from_secs(60),
            max_head: 64 << 10,
            max_headers: None,
            http1_only: false,
            clock: None,
            dial: None,
        }
    }
}

impl HyperTransportBuilder {
    /// Whom to trust. Default: the platform.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// Cryptography provider. Default: [`Crypto::Auto`].
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.crypto = crypto;
        self
    }

    /// The certificate by which this client is known to servers that ask for one. Default: none.
    pub fn client_identity(mut self, identity: ClientIdentity) -> Self {
        self.client_identity = Some(identity);
        self
    }

    /// The proxy that connections go through. Default: [`Proxy::environment`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Hosts that may be reached over http without TLS. Default: [`PlainHttp::Refused`].
    pub fn plain_http(mut self, plain_http: PlainHttp) -> Self {
        self.plain_http = plain_http;
        self
    }

    /// The application's own part of the `User-Agent`, such as `contoso-soar/2.1`, put before ours.
    pub fn application(mut self, application: impl Into<String>) -> Self {
        self.application = Some(application.into());
        self
    }

    /// Time limit of a connection: the name's resolution, TCP, the proxy and TLS together. Default:
    /// 10 s. Several addresses of one name share it.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// Time for which an unused connection is kept. Default: 60 s.
    pub fn pool_idle(mut self, pool_idle: Duration) -> Self {
        self.pool_idle = pool_idle;
        self
    }

    /// Size limit of a response's head in bytes: the names and values of its headers. Default: 64 KiB. In
    /// HTTP/1.1 it counts for no less than 8 KiB, and a head that came in one piece may have up to twice as much.
    ///
    /// A larger one is [`ErrorKind::TooLarge`], in HTTP/2 [`ErrorKind::Protocol`], since there it cannot be told apart from a malformed
    /// one.
    pub fn max_head(mut self, bytes: u32) -> Self {
        self.max_head = bytes;
        self
    }

    /// Number of headers that a response in HTTP/1.1 may have. Default: 100, which costs less than any number that is set.
    /// In HTTP/2, [`max_head`](Self::max_head) bounds them, where each header counts for 32 bytes more than it has.
    pub fn max_headers(mut self, count: usize) -> Self {
        self.max_headers = Some(count);
        self
    }

    /// Speaks HTTP/1.1 to every server, also to one that offers HTTP/2: for a proxy or a gateway whose HTTP/2 is broken. Default:
    /// HTTP/2 where the server offers it.
    pub fn http1_only(mut self) -> Self {
        self.http1_only = true;
        self
    }

    /// The clock by which a connection is late. Default: [`SystemClock`]. The pool has tokio's own.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Puts another network under the transport than TCP: see [`Dial`].
    #[cfg(test)]
    pub(crate) fn over(mut self, network: impl Dial + 'static) -> Self {
        self.dial = Some(Arc::new(network));
        self
    }

    /// Makes the transport. No connection is opened yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`], and the message names the cause: there is no crypto provider, the platform's roots cannot be
    /// read, the client's key is not the one of its certificate, the environment's proxy cannot be used, or the application's
    /// name has a byte that no header may have.
    pub fn build(self) -> Result<HyperTransport, Error> {
        let own = concat!("defender-rs/", env!("CARGO_PKG_VERSION"));
        let agent = self.application.map_or_else(|| own.to_owned(), |application| format!("{application} {own}"));
        let user_agent = HeaderValue::try_from(agent).map_err(|source| {
            Error::new(ErrorKind::Request)
                .context("the application's name cannot stand in a `User-Agent` header; use printable ASCII")
                .caused_by(source)
        })?;
        let tls = client_config(&self.roots, self.crypto, self.client_identity.as_ref())?;
        Ok(HyperTransport::of(Parts {
            dial: self.dial.unwrap_or_else(|| Arc::new(Tcp::new(self.connect_timeout))),
            tls: if self.http1_only { over_http_1(&tls) } else { tls },
            proxy: self.proxy.rules()?,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::new())),
            user_agent,
            plain_http: self.plain_http,
            connect_timeout: self.connect_timeout,
            pool_idle: self.pool_idle,
            max_head: self.max_head,
            max_headers: self.max_headers,
        }))
    }
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("roots", &self.roots)
            .field("crypto", &self.crypto)
            .field("client_identity", &self.client_identity)
            .field("proxy", &self.proxy)
            .field("plain_http", &self.plain_http)
            .field("application", &self.application)
            .field("connect_timeout", &self.connect_timeout)
            .field("pool_idle", &self.pool_idle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod tests {
    use std::{convert::Infallible, sync::Mutex};

    use bytes::Bytes;
    use http::{Request, Response, Uri, Version};
    use http_body_util::Full;
    use hyper::{body::Incoming, service::service_fn};
    use hyper_util::{
        rt::{TokioExecutor, TokioIo},
        server::conn::auto,
    };
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
    };

    use super::*;
    use crate::Transport;
    use crate::hyper::dial::{Dialing, Stream};

    async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let response = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(request.uri().path().to_owned()))))
        });
        let server = auto::Builder::new(TokioExecutor::new());
        // The client may go at once, without a word.
        let _ended = server.serve_connection(TokioIo::new(stream), response).await;
    }

    async fn get(transport: &HyperTransport, url: &str) -> (Version, Bytes) {
        let response = transport.send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap();
        (response.version(), response.into_body().collect(100).await.unwrap())
    }

    #[tokio::test]
    async fn custom_network_works_without_tls() {
        for (speaks_http_2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
            let dialled = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&dialled);
            let network = move |to: &Uri| -> Dialing {
                seen.lock().unwrap().push(to.to_string());
                let (ours, theirs) = tokio::io::duplex(64 << 10);
                tokio::spawn(serve(theirs));
                let stream = Stream::new(ours);
                let stream = if speaks_http_2 { stream.speaking_http_2() } else { stream };
                Box::pin(async { Ok(stream) })
            };
            let transport = HyperTransport::builder().plain_http(PlainHttp::Loopback).over(network).build().unwrap();
            assert_eq!(get(&transport, "http://localhost:1/a").await, (version, "/a".into()));
            assert_eq!(get(&transport, "http://localhost:1/b").await, (version, "/b".into()));
            assert_eq!(*dialled.lock().unwrap(), ["http://localhost:1/"]);
        }
    }

    #[tokio::test]
    async fn name_of_remote_address_gets_no_http() {
        for (allowed, peer, goes) in [
            (PlainHttp::Loopback, "127.0.0.1", true),
            (PlainHttp::Loopback, "169.254.169.254", false),
            (PlainHttp::LinkLocal, "10.0.0.1", false),
        ] {
            let network = move |_: &Uri| -> Dialing {
                let (ours, theirs) = tokio::io::duplex(64 << 10);
                tokio::spawn(serve(theirs));
                Box::pin(async move { Ok(Stream::new(ours).to(peer.parse().ok())) })
            };
            let transport = HyperTransport::builder().plain_http(allowed).over(network).build().unwrap();
            let response = transport.send(Request::get("http://localhost/").body(Bytes::new()).unwrap()).await;
            assert_eq!(response.is_ok(), goes, "{peer}");
            if let Err(error) = response {
                assert!(error.never_sent() && error.to_string().contains("plain http may not go"), "{error:?}");
            }
        }
    }

    #[tokio::test]
    async fn custom_network_works_with_tls() {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["api.example".to_owned()]).unwrap();
        let signing_key: KeyPair = signing_key;
        let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()))
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let network = move |_: &Uri| -> Dialing {
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            let acceptor = acceptor.clone();
            tokio::spawn(async move { serve(acceptor.accept(theirs).await.unwrap()).await });
            Box::pin(async { Ok(Stream::new(ours)) })
        };
        let roots = Roots::pem(cert.pem()).unwrap();
        let transport = HyperTransport::builder().roots(roots).over(network).build().unwrap();
        assert_eq!(get(&transport, "https://api.example/a").await, (Version::HTTP_2, "/a".into()));
    }
}
