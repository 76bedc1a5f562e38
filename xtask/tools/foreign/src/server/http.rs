//! Sockets, TLS, HTTP and routing.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response, body::Incoming, header, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::TlsAcceptor;

use super::{
    kind::Kind,
    post::Call,
    reply::{Part, Reply, ReplyBody},
    settings::{Settings, Version},
    tenant::Tenant,
};
use crate::{
    clock::FastTime,
    dice::{dice, hits},
};

/// The header by which the driver numbers its submissions.
pub(crate) const SUBMISSION: &str = "x-submission";

/// The running server; its connections end with the runtime.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    /// The certificate of its CA, as PEM.
    pub(crate) ca: String,
    pub(crate) time: FastTime,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    tenant: Mutex<Tenant>,
    settings: Settings,
    time: FastTime,
    base: String,
}

impl Server {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) async fn start(settings: Settings, time: FastTime) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (config, ca) = tls(settings.version).map_err(io::Error::other)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let base = format!("https://{address}");
        let state = Arc::new(State { tenant: Mutex::new(Tenant::new(settings)), settings, time, base });
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (state, acceptor) = (Arc::clone(&accepting), acceptor.clone());
                tokio::spawn(async move {
                    let _ = socket.set_nodelay(true);
                    if let Ok(stream) = acceptor.accept(socket).await {
                        serve(state, stream).await;
                    }
                });
            }
        });
        Ok(Self { address, ca, time, state })
    }

    /// `https://127.0.0.1:{port}`, of the API and of the token endpoint.
    pub(crate) fn base(&self) -> String {
        format!("https://{}", self.address)
    }

    /// State of the service, for the judge.
    pub(crate) fn tenant(&self) -> MutexGuard<'_, Tenant> {
        self.state.tenant()
    }
}

impl State {
    fn tenant(&self) -> MutexGuard<'_, Tenant> {
        self.tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles a call.
    fn route(
        &self,
        now: Timestamp,
        method: &Method,
        uri: &hyper::Uri,
        headers: &header::HeaderMap,
        body: &str,
    ) -> Reply {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = text("authorization");
        let path = uri.path();
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let lower: Vec<String> = segments.iter().map(|part| part.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let mut tenant = self.tenant();
        let version = usize::from(lower.get(1) == Some(&"v1.0"));
        let (skipped, rest) =
            if lower.first() == Some(&"api") { lower.split_at(1 + version) } else { (&[][..], &lower[..]) };
        let original = segments.get(skipped.len()..).unwrap_or_default();
        match (method.as_str(), rest, original) {
            ("POST", [_, "oauth2", "v2.0", "token"], _) if skipped.is_empty() => tenant.token(now, path, body),
            ("GET", ["machineactions"], _) if !skipped.is_empty() => {
                tenant.list(now, &self.base, uri.query().unwrap_or_default(), authorization)
            }
            ("GET", ["machineactions", _], [_, id]) if !skipped.is_empty() => tenant.get(now, id, authorization),
            ("POST", ["machineactions", _, "cancel"], [_, id, _]) if !skipped.is_empty() => {
                tenant.cancel(now, id, body, authorization)
            }
            ("POST", ["machines", _, segment], [_, machine, _]) if !skipped.is_empty() => {
                let json = text("content-type").is_some_and(|kind| kind.starts_with("application/json"));
                let mut rng = dice(self.settings.seed, "route", tenant.calls, 0);
                match Kind::of_segment(segment) {
                    Some(kind) if json => {
                        let submission = text(SUBMISSION).and_then(|number| number.parse().ok());
                        tenant.post(now, &Call { submission, kind, machine, body, authorization })
                    }
                    Some(_) => Reply::error(&mut rng, 415, "BadRequest", "Unsupported media type"),
                    None => Reply::error(&mut rng, 404, "NotFound", "No HTTP resource was found"),
                }
            }
            _ => {
                let mut rng = tenant.next_dice("lost");
                Reply::error(&mut rng, 404, "NotFound", "No HTTP resource was found")
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, abort: &Notify) -> io::Result<Response<ReplyBody>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        let reply = self.route(self.time.now(), &head.method, &head.uri, &head.headers, &body);
        if !reply.delay.is_zero() {
            self.time.sleep(reply.delay).await;
        }
        let mut rng = {
            let tenant = self.tenant();
            dice(self.settings.seed, "send", tenant.calls, u64::try_from(tenant.arrivals.len()).unwrap_or_default())
        };
        // Of many streams on one connection, a close sometimes takes them all.
        if reply.part == Part::Nothing && hits(&mut rng, 20.0) {
            abort.notify_one();
            std::future::pending::<()>().await;
        }
        reply.send(&mut rng, self.time.now(), self.settings.dates).ok_or_else(|| io::Error::other("closed"))
    }
}

async fn serve(state: Arc<State>, stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>) {
    let abort = Arc::new(Notify::new());
    let aborted = Arc::clone(&abort);
    let version = state.settings.version;
    let service = service_fn(move |request| {
        let (state, abort) = (Arc::clone(&state), Arc::clone(&abort));
        async move { state.answer(request, &abort).await }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().auto_date_header(false);
    builder.http2().auto_date_header(false).max_local_error_reset_streams(None);
    let builder = match version {
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_only(),
    };
    tokio::select! {
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = aborted.notified() => {}
    }
}

/// A server's configuration with a certificate for 127.0.0.1, and the CA that signed it.
fn tls(version: Version) -> Result<(ServerConfig, String), Box<dyn std::error::Error + Send + Sync>> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let ca = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate()?;
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], private)?;
    config.alpn_protocols = vec![match version {
        Version::Http1 => b"http/1.1".to_vec(),
        Version::Http2 => b"h2".to_vec(),
    }];
    Ok((config, ca))
}
