//! A server in a process of its own, so that what it costs is not counted: TLS on loopback, as little as a server can do.

use std::{
    convert::Infallible,
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

/// A bench does not tell one failure from another; it prints the failure, and ends.
type Anything = Box<dyn std::error::Error + Send + Sync>;

/// Set for the process that is to be the server: the protocol that it speaks.
const ASKED: &str = "DEFENDER_TRANSPORT_BENCH_SERVER";
const PEM_ENDS: &str = "-----END CERTIFICATE-----";

/// Protocol that a server offers, and that both clients speak with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }

    pub(crate) fn version(self) -> Version {
        match self {
            Self::Http1 => Version::HTTP_11,
            Self::Http2 => Version::HTTP_2,
        }
    }

    /// Its name in the TLS handshake.
    fn alpn(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
        }
    }
}

/// The server, as its clients know it. Its process ends when this is dropped, or when ours ends, however it ends.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) protocol: Protocol,
    /// Host and port.
    pub(crate) authority: String,
    /// The CA that signed its certificate.
    pub(crate) ca_pem: String,
}

impl Server {
    /// Runs this same program again, as the server.
    pub(crate) fn start(protocol: Protocol) -> Result<Self, Anything> {
        let mut process = Command::new(env::current_exe()?)
            .env(ASKED, protocol.alpn())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = process.stdout.take().ok_or("the server has no output")?;
        let mut server = Self { process, protocol, authority: String::new(), ca_pem: String::new() };
        for line in BufReader::new(said).lines() {
            let line = line?;
            if server.authority.is_empty() {
                server.authority = line;
                continue;
            }
            server.ca_pem.push_str(&line);
            server.ca_pem.push('\n');
            if line == PEM_ENDS {
                return Ok(server);
            }
        }
        Err("the server ended before it said where it is".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closes its input first, which ends it.
        let _ = self.process.wait();
    }
}

/// Is the server, if this process was started to be one, and returns whether it was. The response to a POST of an action and to a GET
/// of a list has the body that the function returns for it, and the rest of a list is empty.
pub(crate) fn serve_if_asked<B>(bodies: impl FnOnce() -> B) -> Result<bool, Anything>
where
    B: Fn(&Method, &Uri) -> Bytes + Clone + Send + 'static,
{
    let Ok(alpn) = env::var(ASKED) else { return Ok(false) };
    let body = bodies();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &ca)?;
    let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der())?)?;
    tls.alpn_protocols = vec![alpn.into_bytes()];

    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    listener.set_nonblocking(true)?;
    // The end of the PEM tells the other side that this is all.
    let said = format!("{}\n{}\n", listener.local_addr()?, ca.pem().replace('\r', "").trim_end());
    io::stdout().write_all(said.as_bytes())?;
    io::stdout().flush()?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || runtime.block_on(serve(listener, TlsAcceptor::from(Arc::new(tls)), body)));
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(true)
}

/// Ends only when the listener is broken; the clients' errors then say that nobody answers.
async fn serve<B>(listener: TcpListener, acceptor: TlsAcceptor, body: B) -> io::Result<()>
where
    B: Fn(&Method, &Uri) -> Bytes + Clone + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let (acceptor, body) = (acceptor.clone(), body.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            // How a connection ends is for its client to tell.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service_fn(move |request| respond(request, body.clone())))
                .await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    body: impl Fn(&Method, &Uri) -> Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = body(request.method(), request.uri());
    let is_list = request.method() == Method::GET;
    let is_rest = request.uri().query().is_some_and(|query| query.contains("$skip"));
    let is_action = request.method() == Method::POST && request.uri().path().ends_with("/unrestrictCodeExecution");
    let is_read = request.into_body().collect().await.is_ok_and(|body| is_list || !body.to_bytes().is_empty());
    let body = if is_rest { Bytes::from_static(br#"{"value":[]}"#) } else { body };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = match (is_read, is_list, is_action) {
        (true, true, _) => StatusCode::OK,
        (true, _, true) => StatusCode::CREATED,
        _ => StatusCode::BAD_REQUEST,
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    Ok(response)
}
