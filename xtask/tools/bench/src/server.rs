//! A server for benches: HTTP/2 over TLS on loopback, on a thread of its own, that does as little as a server can.

use std::{
    convert::Infallible,
    error::Error,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::TlsAcceptor;

/// What the service answers to a POST, in the size that it has.
pub(super) const ANSWER: &str = concat!(
    r#"{"@odata.context":"https://api.security.microsoft.com/api/$metadata#MachineActions/$entity","#,
    r#""id":"44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e","type":"UnrestrictCodeExecution","title":null,"#,
    r#""requestor":"0f6a2b1e-93c5-4f0e-8d2b-6f3f0c9a7e11","#,
    r#""requestorComment":"Machine was cleaned and validated by the response team, see INC0012345","#,
    r#""status":"Pending","machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","#,
    r#""computerDnsName":"desktop-39g9tgl.emea.contoso.com","creationDateTimeUtc":"2025-02-05T14:17:33.4823562Z","#,
    r#""lastUpdateDateTimeUtc":"2025-02-05T14:17:33.4823562Z","cancellationRequestor":null,"#,
    r#""cancellationComment":null,"cancellationDateTimeUtc":null,"errorHResult":0,"scope":null,"#,
    r#""externalId":"b1a6b5f0-5f0e-4c3e-9d39-2f1c66a7c0aa","requestSource":"PublicApi","relatedFileInfo":null,"#,
    r#""commands":[],"troubleshootInfo":null}"#,
);

/// A bench does not tell one failure from another; it says what it was, and ends.
pub(super) type Anything = Box<dyn Error + Send + Sync>;

/// The server, for as long as the process lives.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The CA that signed its certificate.
    pub(super) ca: CertificateDer<'static>,
    /// The same as PEM.
    pub(super) ca_pem: String,
    counts: Arc<Counts>,
}

/// What it answers with.
#[derive(Clone, Debug)]
pub(super) enum Answers {
    /// [`ANSWER`], to a POST of an action that has a body.
    Action,
    /// This page of a list, and an empty one where rows are skipped.
    Page(Bytes),
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

impl Server {
    pub(super) fn start() -> Result<Self, Anything> {
        Self::answering(Answers::Action)
    }

    pub(super) fn answering(answers: Answers) -> Result<Self, Anything> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &ca)?;
        let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der())?)?;
        tls.alpn_protocols = vec![b"h2".to_vec()];

        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let (address, counts) = (listener.local_addr()?, Arc::<Counts>::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let own = Arc::clone(&counts);
        std::thread::spawn(move || runtime.block_on(serve(listener, acceptor, own, answers)));
        Ok(Self { address, ca: ca.der().clone(), ca_pem: ca.pem(), counts })
    }

    pub(super) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::Relaxed)
    }
}

/// Ends only when the listener is broken; the clients' errors then say that nobody answers.
async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    counts: Arc<Counts>,
    answers: Answers,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let (acceptor, counts, answers) = (acceptor.clone(), Arc::clone(&counts), answers.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            let service = service_fn(move |request| answer(request, Arc::clone(&counts), answers.clone()));
            // How a connection ends is for its client to tell.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    counts: Arc<Counts>,
    answers: Answers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    counts.requests.fetch_add(1, Ordering::Relaxed);
    if let Answers::Page(page) = answers {
        let rest = request.uri().query().is_some_and(|query| query.contains("$skip"));
        return Ok(json(StatusCode::OK, if rest { Bytes::from_static(br#"{"value":[]}"#) } else { page }));
    }
    let path = request.uri().path();
    let is_known = path.starts_with("/api/machines/") && path.ends_with("/unrestrictCodeExecution");
    let is_known = is_known && request.method() == Method::POST;
    let is_read = request.into_body().collect().await.is_ok_and(|body| !body.to_bytes().is_empty());
    let status = if is_known && is_read { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
    Ok(json(status, Bytes::from_static(ANSWER.as_bytes())))
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json; charset=utf-8"));
    response
}
