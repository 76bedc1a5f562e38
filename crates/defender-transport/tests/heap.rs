//! Memory that hostile bodies take, over real TLS: less than twice the limit, however long they are.
//!
//! A binary of its own, so that nothing else is counted; the server is, since it is in the same process.
#![cfg(all(feature = "hyper", feature = "aws-lc-rs", feature = "compression"))]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use defender_transport::{
    Error, ErrorKind, HyperTransport, Proxy, Roots, SystemClock, Transport, TransportExt,
    extensions::{Idempotency, Read},
};
use flate2::{Compress, Compression, FlushCompress};
use http::{Request, Response, header::CONTENT_ENCODING};
use peak_alloc::PeakAlloc;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
/// Size of the bomb's content in MiB.
const INSIDE: u64 = 10 << 10;

/// Body that the server sends, without an end or almost.
#[derive(Clone, Copy, Debug)]
enum Body {
    /// Zeros, as they are.
    Endless,
    /// 10 GiB of zeros, in gzip.
    Bomb,
}

impl Body {
    /// Beginning of the body, and the piece that then comes again and again.
    fn pieces(self) -> (Vec<u8>, Bytes) {
        match self {
            Self::Endless => (Vec::new(), vec![0; 16 << 10].into()),
            Self::Bomb => {
                // The head of RFC 1952, and then a MiB of zeros that refers to nothing before it.
                let mut piece = Vec::with_capacity(64 << 10);
                let zeros = vec![0; MIB];
                Compress::new(Compression::best(), false)
                    .compress_vec(&zeros, &mut piece, FlushCompress::Full)
                    .unwrap();
                (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], piece.into())
            }
        }
    }

    fn times(self) -> u64 {
        match self {
            Self::Endless => u64::MAX,
            Self::Bomb => INSIDE,
        }
    }
}

/// A transport, the URL of a server that answers so, and how many pieces it has sent.
async fn serving(body: Body, alpn: &'static str) -> (HyperTransport, String, Arc<AtomicU64>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()))
        .unwrap();
    tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        loop {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let (begin, piece) = body.pieces();
            if alpn == "h2" {
                // What waits here to be sent would be counted too.
                let server = h2::server::Builder::new().max_send_buffer_size(32 << 10).handshake(stream);
                let mut connection = server.await.unwrap();
                let (_, mut respond) = connection.accept().await.unwrap().unwrap();
                let mut head = Response::new(());
                if matches!(body, Body::Bomb) {
                    head.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
                }
                let mut response = respond.send_response(head, false).unwrap();
                response.send_data(begin.into(), false).unwrap();
                let counted = Arc::clone(&counted);
                let sending = async move {
                    for _ in 0..body.times() {
                        response.reserve_capacity(piece.len());
                        while response.capacity() < piece.len() {
                            let grown = std::future::poll_fn(|context| response.poll_capacity(context)).await;
                            if !matches!(grown, Some(Ok(_))) {
                                return;
                            }
                        }
                        if response.send_data(piece.clone(), false).is_err() {
                            return;
                        }
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                };
                tokio::join!(sending, async { while connection.accept().await.is_some_and(|next| next.is_ok()) {} });
                continue;
            }
            let encoding = if matches!(body, Body::Bomb) { "Content-Encoding: gzip\r\n" } else { "" };
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{encoding}\r\n");
            let mut first = head.into_bytes();
            first.extend(begin);
            let mut gone = stream.write_all(&first).await.is_err();
            for _ in 0..body.times() {
                gone = gone || stream.write_all(&piece).await.is_err();
                if gone {
                    break;
                }
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let roots = Roots::pem(cert.pem()).unwrap();
    (HyperTransport::builder().roots(roots).proxy(Proxy::none()).build().unwrap(), url, sent)
}

/// Error of the whole stack for such a body, and the most by which the heap grew.
async fn read(body: Body, alpn: &'static str, limit: usize) -> (Error, usize, u64) {
    let (transport, url, sent) = serving(body, alpn).await;
    let clock = SystemClock::new();
    let transport = transport.redirected().decompressed().deadline(clock).buffered().paced(clock).retrying(clock);
    let request =
        Request::get(url).extension(Idempotency::Idempotent).extension(Read::Whole(limit)).body(Bytes::new()).unwrap();
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let error = transport.send(request).await.unwrap_err();
    (error, HEAP.peak_usage().saturating_sub(before), sent.load(Ordering::SeqCst))
}

#[tokio::test]
async fn endless_body_stops_within_twice_the_limit() {
    for limit in [4 * MIB, 16 * MIB] {
        for alpn in ["http/1.1", "h2"] {
            for body in [Body::Endless, Body::Bomb] {
                let (error, peak, sent) = read(body, alpn, limit).await;
                println!("{body:?} over {alpn}, limit {limit}: {peak} bytes at most, {sent} pieces");
                assert_eq!(error.kind(), ErrorKind::TooLarge, "{body:?} over {alpn}: {error:?}");
                assert!(sent < INSIDE, "all of the bomb was taken");
                assert!(peak < 2 * limit, "{body:?} over {alpn}: {peak} bytes for a limit of {limit}");
            }
        }
    }
}
