//! A server on the loopback that does what a test tells it, over TLS or plain, and keeps what it was sent.

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// Authority that signs the certificates of a test's servers.
pub(crate) struct Ca {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn tls(&self, name: &str, protocol: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        TlsAcceptor::from(Arc::new(tls))
    }
}

/// Reply of the server to a request.
pub(crate) enum Reply {
    Answer(Response<Bytes>),
    /// The head and a part of the body, and then the end of the connection.
    CutOff(Bytes),
    /// Nothing, ever.
    Silence,
}

type Answer = dyn Fn(&Request<Bytes>) -> Reply + Send + Sync;

/// A server, until it is dropped.
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    response: Box<Answer>,
    requests: Mutex<Vec<Request<Bytes>>>,
    connections: AtomicUsize,
    raw: Mutex<Vec<u8>>,
    silent: AtomicUsize,
}

impl Endpoint {
    /// A server whose certificate is for `name`, and which speaks `protocol` (`h2` or `http/1.1`).
    pub(crate) async fn tls(
        ca: &Ca,
        name: &str,
        protocol: &str,
        response: impl Fn(&Request<Bytes>) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(ca.tls(name, protocol)), Box::new(response)).await
    }

    /// A server without TLS.
    pub(crate) async fn plain(response: impl Fn(&Request<Bytes>) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Box::new(response)).await
    }

    async fn start(tls: Option<TlsAcceptor>, response: Box<Answer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            response,
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            raw: Mutex::default(),
            silent: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, state).await,
                        Some(tls) => match tls.accept(stream).into_fallible().await {
                            Ok(stream) => serve(stream, state).await,
                            Err((_, mut stream)) => {
                                let mut left = Vec::new();
                                let _ended = stream.read_to_end(&mut left).await;
                                state.raw.lock().unwrap().extend(left);
                            }
                        },
                    }
                });
            }
        });
        Self { port, state, task }
    }

    pub(crate) fn requests(&self) -> Vec<Request<Bytes>> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Number of connections, failed ones included.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Bytes that came over a connection that never became one of TLS, after its greeting.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.state.raw.lock().unwrap().clone()
    }

    /// Number of requests that wait for a response that never comes.
    pub(crate) fn silent(&self) -> usize {
        self.state.silent.load(Ordering::Relaxed)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let state = Arc::clone(&state);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let request = Request::from_parts(head, body);
            let reply = (state.response)(&request);
            state.requests.lock().unwrap().push(request);
            Ok::<_, Infallible>(match reply {
                Reply::Answer(response) => response.map(|body| Full::new(body).map_err(|never| match never {}).boxed()),
                Reply::CutOff(part) => {
                    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                    let frames = stream::iter([Ok(Frame::data(part)), Err(broken)]);
                    Response::new(BoxBody::new(StreamBody::new(frames)))
                }
                Reply::Silence => {
                    let _silent = Silent::new(&state);
                    std::future::pending().await
                }
            })
        }
    });
    let _ended = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// Counts itself for as long as it is there.
struct Silent<'s>(&'s State);

impl<'s> Silent<'s> {
    fn new(state: &'s State) -> Self {
        state.silent.fetch_add(1, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        self.0.silent.fetch_sub(1, Ordering::Relaxed);
    }
}
