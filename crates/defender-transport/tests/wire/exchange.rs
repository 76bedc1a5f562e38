//! One exchange over the transport, with hyper's own server at the other end.

use std::{
    convert::Infallible,
    error::Error as StdError,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use defender_transport::{ErrorKind, HyperTransport, HyperTransportBuilder, Roots, Transport};
use futures_util::{StreamExt, stream};
use http::{
    Method, Request, Response, StatusCode, Version,
    header::{AUTHORIZATION, LOCATION, USER_AGENT},
    request::Parts,
};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Notify,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

const HTTP_1: &[&str] = &["http/1.1"];
const HTTP_2: &[&str] = &["h2", "http/1.1"];

/// Stands where a secret would, and must be seen in no error.
const CANARY: &str = "canary-7f3a";

/// Reaction of the server to a request once it has read it whole.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// 201, and the body that came.
    Echo,
    /// 302 to another path of the same server.
    Redirect,
    /// Closes the connection without a word.
    HangUp,
    /// 200 and a piece of the body; then, once told to go on, the response breaks off.
    BreakOff,
}

/// One server on 127.0.0.1, which lives as long as the test's runtime.
struct Server {
    address: SocketAddr,
    /// The certificate of the CA that signed the server's own, as PEM.
    ca: String,
    connections: AtomicUsize,
    seen: Mutex<Vec<(Parts, Bytes)>>,
    go_on: Notify,
}

impl Server {
    /// A server that offers `alpn`.
    async fn start(alpn: &[&str], then: Then) -> Arc<Self> {
        Self::start_as("127.0.0.1", alpn, then).await
    }

    /// The same, with a certificate for `name`.
    async fn start_as(name: &str, alpn: &[&str], then: Then) -> Arc<Self> {
        let (ca, mut tls) = certified(name);
        tls.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            ca,
            connections: AtomicUsize::new(0),
            seen: Mutex::default(),
            go_on: Notify::new(),
        });
        let own = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                own.connections.fetch_add(1, Ordering::SeqCst);
                let (server, acceptor) = (Arc::clone(&own), acceptor.clone());
                tokio::spawn(async move {
                    // A client that refuses the certificate ends the handshake; that is the client's test.
                    let Ok(stream) = acceptor.accept(tcp).await else { return };
                    let hang_up = Arc::new(Notify::new());
                    let service = service_fn(|request| Arc::clone(&server).answer(then, request, Arc::clone(&hang_up)));
                    let builder = auto::Builder::new(TokioExecutor::new());
                    tokio::select! {
                        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
                        () = hang_up.notified() => {}
                    }
                });
            }
        });
        server
    }

    async fn answer(
        self: Arc<Self>,
        then: Then,
        request: Request<Incoming>,
        hang_up: Arc<Notify>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, io::Error>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.seen.lock().unwrap().push((head, body.clone()));
        let whole = |body: Bytes| Full::new(body).map_err(|never| match never {}).boxed_unsync();
        let response = match then {
            Then::Echo => Response::builder().status(StatusCode::CREATED).body(whole(body)),
            Then::Redirect => {
                Response::builder().status(StatusCode::FOUND).header(LOCATION, "/elsewhere").body(whole(Bytes::new()))
            }
            Then::HangUp => {
                hang_up.notify_one();
                std::future::pending().await
            }
            Then::BreakOff => {
                let half = stream::once(async { Ok(Frame::data(Bytes::from_static(b"{\"id\":"))) });
                let end = stream::once(async move {
                    self.go_on.notified().await;
                    Err(io::Error::other("broken off by the test"))
                });
                Response::builder().body(StreamBody::new(half.chain(end)).boxed_unsync())
            }
        };
        Ok(response.unwrap())
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// A transport that trusts this server's CA.
    fn transport(&self) -> HyperTransport {
        trusting(&self.ca).build().unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// A fresh CA, and the TLS of a server whose certificate for `name` it signed.
fn certified(name: &str) -> (String, ServerConfig) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (ca.pem(), tls)
}

fn trusting(ca: &str) -> HyperTransportBuilder {
    HyperTransport::builder().roots(Roots::pem(ca).unwrap())
}

/// A POST that bears the canary in a header and in its body.
fn post(url: &str) -> Request<Bytes> {
    Request::post(url).header(AUTHORIZATION, CANARY).body(Bytes::from(format!(r#"{{"Comment":"{CANARY}"}}"#))).unwrap()
}

/// Everything that an error and its causes say, in both forms.
fn told(error: &defender_transport::Error) -> String {
    let chain = std::iter::successors(Some(error as &dyn StdError), |error| (*error).source());
    chain.fold(format!("{error:?}"), |told, error| told + "\n" + &error.to_string())
}

/// Checks that the transport could not connect, and says so without a word of the request.
#[track_caller]
fn assert_no_connection(error: &defender_transport::Error) {
    let told = told(error);
    assert_eq!(error.kind(), ErrorKind::Connect, "{told}");
    assert!(error.never_sent(), "{told}");
    assert!(!told.contains(CANARY), "{told}");
}

/// Checks that the request may have been processed, and that the error says so without a word of the request.
#[track_caller]
fn assert_outcome_unknown(error: &defender_transport::Error) {
    let told = told(error);
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{told}");
    assert!(!error.never_sent(), "{told}");
    assert!(!told.contains(CANARY), "{told}");
}

#[tokio::test]
async fn http_2_post_arrives_whole() {
    let server = Server::start(HTTP_2, Then::Echo).await;
    // Larger than a window of HTTP/2 as it begins, so that it goes in many frames.
    let body = Bytes::from(vec![b'x'; 200_000]);
    let request = Request::post(server.url("/api/machines")).body(body.clone()).unwrap();
    let response = server.transport().send(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.version(), Version::HTTP_2);
    assert!(response.into_body().collect(body.len()).await.unwrap() == body);
    let seen = server.seen.lock().unwrap();
    let (head, arrived) = seen.first().unwrap();
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.version, Version::HTTP_2);
    assert_eq!(head.uri.path(), "/api/machines");
    assert!(*arrived == body, "{} bytes arrived", arrived.len());
}

#[tokio::test]
async fn http_1_server_gets_http_1() {
    for alpn in [HTTP_1, &[]] {
        let server = Server::start(alpn, Then::Echo).await;
        let response = server.transport().send(post(&server.url("/"))).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.into_body().collect(100).await.unwrap(), post("/").into_body());
        assert_eq!(server.seen.lock().unwrap().first().unwrap().0.version, Version::HTTP_11);
    }
}

#[tokio::test]
async fn user_agent_names_application_and_crate() {
    let server = Server::start(HTTP_2, Then::Echo).await;
    let transport = trusting(&server.ca).application("contoso-soar/2.1").build().unwrap();
    transport.send(post(&server.url("/"))).await.unwrap();
    let mut own = post(&server.url("/"));
    own.headers_mut().insert(USER_AGENT, "its own".parse().unwrap());
    transport.send(own).await.unwrap();
    let seen = server.seen.lock().unwrap();
    let agents: Vec<_> = seen.iter().map(|(head, _)| head.headers[USER_AGENT].to_str().unwrap()).collect();
    assert_eq!(agents, [concat!("contoso-soar/2.1 defender-rs/", env!("CARGO_PKG_VERSION")), "its own"]);
}

#[tokio::test]
async fn a_refused_port_is_no_connection() {
    let (ca, _) = certified("127.0.0.1");
    // Bound but not listening: the port is ours, and refuses.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("https://{}/", socket.local_addr().unwrap());
    let error = trusting(&ca).build().unwrap().send(post(&url)).await.unwrap_err();
    assert_no_connection(&error);
}

#[tokio::test]
async fn an_unknown_ca_is_no_connection() {
    let server = Server::start(HTTP_2, Then::Echo).await;
    let (another, _) = certified("127.0.0.1");
    let error = trusting(&another).build().unwrap().send(post(&server.url("/"))).await.unwrap_err();
    assert_no_connection(&error);
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn wrong_host_certificate_fails_to_connect() {
    let server = Server::start_as("elsewhere.example", HTTP_2, Then::Echo).await;
    let error = server.transport().send(post(&server.url("/"))).await.unwrap_err();
    assert_no_connection(&error);
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn broken_handshake_fails_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let (ca, _) = certified("127.0.0.1");
    let transport = trusting(&ca).build().unwrap();
    let request = post(&url);
    let (response, ()) = tokio::join!(transport.send(request), async { drop(listener.accept().await.unwrap()) });
    assert_no_connection(&response.unwrap_err());
}

#[tokio::test]
async fn http_and_url_password_are_refused() {
    let server = Server::start(HTTP_2, Then::Echo).await;
    let with_password = format!("https://user:{CANARY}@{}/", server.address);
    for url in [format!("http://{}/", server.address), "/api/machines".to_owned(), with_password] {
        let error = server.transport().send(post(&url)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request, "{url}");
        assert!(error.never_sent(), "{url}");
        assert!(!told(&error).contains(CANARY));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn hangup_after_reading_leaves_outcome_unknown() {
    for alpn in [HTTP_1, HTTP_2] {
        let server = Server::start(alpn, Then::HangUp).await;
        let error = server.transport().send(post(&server.url("/"))).await.unwrap_err();
        assert_outcome_unknown(&error);
        assert_eq!(server.requests(), 1, "it is not sent again");
    }
}

#[tokio::test]
async fn broken_body_fails_the_read() {
    for alpn in [HTTP_1, HTTP_2] {
        let server = Server::start(alpn, Then::BreakOff).await;
        let response = server.transport().send(post(&server.url("/"))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        server.go_on.notify_one();
        assert_outcome_unknown(&response.into_body().collect(1000).await.unwrap_err());
    }
}

#[tokio::test]
async fn redirect_is_returned_not_followed() {
    let server = Server::start(HTTP_2, Then::Redirect).await;
    let response = server.transport().send(post(&server.url("/"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()[LOCATION], "/elsewhere");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn clones_share_one_connection() {
    let server = Server::start(HTTP_2, Then::Echo).await;
    let transport = server.transport();
    for transport in [transport.clone(), transport] {
        let response = transport.send(post(&server.url("/"))).await.unwrap();
        response.into_body().collect(1000).await.unwrap();
    }
    assert_eq!(server.requests(), 2);
    assert_eq!(server.connections(), 1);
}
