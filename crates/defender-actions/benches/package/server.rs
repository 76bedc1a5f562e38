//! An API and a store in one, over TLS, on a separate thread: HTTP/1.1 as far as a download needs it.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use defender_actions::Sha256;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sha2::Digest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
    server::TlsStream,
};

use crate::Anything;

/// Size of a generated piece.
const PIECE: usize = 64 << 10;

/// Actions of the server, whose packages differ in their faults.
pub(crate) struct Spoilt;

impl Spoilt {
    /// No fault, and small.
    pub(crate) const SMALL: &'static str = "small";
    /// The connection breaks on the way.
    pub(crate) const BROKEN: &'static str = "broken";
    /// One byte is flipped.
    pub(crate) const FLIPPED: &'static str = "flipped";
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) ca_pem: String,
    world: Arc<World>,
}

struct World {
    size: u64,
    breaks: u64,
    broken: AtomicU64,
    address: SocketAddr,
}

/// Piece with this number; all pieces differ.
fn piece(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut piece = Vec::with_capacity(PIECE);
    while piece.len() < PIECE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        piece.extend_from_slice(&state.to_le_bytes());
    }
    piece
}

/// Hash of the whole content.
pub(crate) fn hash(size: u64) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for number in 0..size / PIECE as u64 {
        hasher.update(piece(number));
    }
    <[u8; 32]>::from(hasher.finalize()).into()
}

impl Server {
    pub(crate) fn start(size: u64, breaks: u64) -> Result<Self, Anything> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &ca)?;
        let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der())?)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let world = Arc::new(World { size, breaks, broken: AtomicU64::new(0), address });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (acceptor, own) = (TlsAcceptor::from(Arc::new(tls)), Arc::clone(&world));
        std::thread::spawn(move || runtime.block_on(serve(listener, acceptor, own)));
        Ok(Self { address, ca_pem: ca.pem(), world })
    }

    pub(crate) fn broken(&self) -> u64 {
        self.world.broken.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, world: Arc<World>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        let (acceptor, world) = (acceptor.clone(), Arc::clone(&world));
        tokio::spawn(async move {
            if let Ok(mut stream) = acceptor.accept(tcp).await {
                // The client reports the end of a connection.
                while matches!(world.respond(&mut stream).await, Ok(true)) {}
            }
        });
    }
}

impl World {
    /// Responds to one request. Returns false if the connection is over.
    async fn respond(&self, stream: &mut TlsStream<TcpStream>) -> std::io::Result<bool> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let path = head.split(' ').nth(1).unwrap_or_default();
        if let Some(kind) =
            path.strip_prefix("/api/machineactions/").and_then(|path| path.strip_suffix("/getpackageuri"))
        {
            let body = format!(r#"{{"value":"\"https://{}/{kind}?sig=secret\""}}"#, self.address);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await?;
            return Ok(true);
        }
        let kind = path.split('?').next().unwrap_or_default().trim_start_matches('/');
        let range = head.split("range: bytes=").nth(1).and_then(|range| range.split('-').next());
        let first: u64 = range.and_then(|first| first.parse().ok()).unwrap_or(0);
        self.blob(stream, kind, first).await
    }

    async fn blob(&self, stream: &mut TlsStream<TcpStream>, kind: &str, first: u64) -> std::io::Result<bool> {
        let size = if kind == Spoilt::SMALL { 1 << 20 } else { self.size };
        let (left, last) = (size - first, size - 1);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nETag: \"one\"\r\nContent-Length: {left}\r\n\
             Content-Range: bytes {first}-{last}/{size}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        // If this connection shall break, it gets the first of as many parts as there are connections.
        let number = self.broken.load(Ordering::Relaxed);
        let breaks = (kind == Spoilt::BROKEN && number < self.breaks).then(|| size / (self.breaks + 1) * (number + 1));
        let mut sent = first;
        while sent < size {
            if breaks.is_some_and(|at| sent >= at) {
                self.broken.fetch_add(1, Ordering::Relaxed);
                return Ok(false);
            }
            let mut piece = piece(sent / PIECE as u64);
            if kind == Spoilt::FLIPPED && sent / PIECE as u64 == size / PIECE as u64 / 2 {
                piece.iter_mut().skip(77).take(1).for_each(|byte| *byte ^= 1);
            }
            // A part may begin inside a piece.
            let rest = piece.get(usize::try_from(sent % PIECE as u64).unwrap_or(0)..).unwrap_or_default();
            stream.write_all(rest).await?;
            sent += rest.len() as u64;
        }
        stream.flush().await?;
        Ok(true)
    }
}
