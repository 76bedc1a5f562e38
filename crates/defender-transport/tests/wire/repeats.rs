//! Failures that would be the same again are attempted once, however safe a repetition is.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_transport::{
    ClientIdentity, Error, HyperTransportBuilder, Proxy, Retry, Roots, SystemClock, Transport, TransportExt,
};
use rcgen::CertificateParams;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier},
};

use crate::server::{Ca, HTTP_1, HTTP_2, get, provider, tls, told, url};

/// The error of a read that may be repeated twice, without a pause.
async fn failure(transport: HyperTransportBuilder, url: &str) -> Error {
    let policy = Retry::default().attempts(3).backoff(Duration::ZERO, Duration::ZERO);
    let transport = transport.build().unwrap().retrying(SystemClock::new()).policy(policy);
    transport.send(get(url)).await.unwrap_err()
}

/// Checks how often the connection was attempted, that nothing was sent, and what the error says of another attempt.
#[track_caller]
fn assert_attempts(error: &Error, counted: &AtomicUsize, again: bool, case: &str) {
    let attempts = if again { 3 } else { 1 };
    let seen = (counted.load(Ordering::SeqCst), usize::try_from(error.attempts()).unwrap(), error.is_permanent());
    assert_eq!(seen, (attempts, attempts, !again), "{case}: {}", told(error));
    assert!(error.never_sent(), "{case}: {}", told(error));
}

/// A proxy that responds to each `CONNECT` in this way.
async fn proxy(response: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, counted) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&counted);
    tokio::spawn(async move {
        loop {
            let mut client = listener.accept().await.unwrap().0;
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    client.read_buf(&mut asked).await.unwrap();
                }
                client.write_all(response.as_bytes()).await.unwrap();
            });
        }
    });
    (address, counted)
}

#[tokio::test]
async fn refusing_proxy_is_asked_once() {
    for (response, again, words) in [
        ("HTTP/1.1 407 Denied\r\n\r\n", false, "the user or the password in the proxy's URL is wrong"),
        ("HTTP/1.1 407 Denied\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", false, "password in the proxy's URL"),
        (
            "HTTP/1.1 407 D\r\nproxy-authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n",
            false,
            "negotiate and ntlm only",
        ),
        ("HTTP/1.1 407 D\r\nProxy-Authenticate: Negotiate, NTLM\r\n\r\n", false, "negotiate and ntlm only"),
        ("HTTP/1.1 400 Bad\r\n\r\n", false, "400"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", false, "403"),
        ("HTTP/1.1 405 Not allowed\r\n\r\n", false, "405"),
        ("HTTP/1.1 302 Found\r\nLocation: http://portal.example\r\n\r\n", false, "302"),
        ("HTTP/1.1 511 Login\r\n\r\n", false, "511"),
        ("SSH-2.0-OpenSSH\r\n\r\n", false, "does not speak HTTP/1"),
        ("HTTP/1.1 502 Bad gateway\r\n\r\n", true, "502"),
        ("HTTP/1.1 503 Unavailable\r\n\r\n", true, "503"),
        ("HTTP/1.1 504 Timeout\r\n\r\n", true, "504"),
        ("", true, "closed the connection"),
    ] {
        let (address, counted) = proxy(response).await;
        let through = Proxy::http(format!("http://user:wrong@{address}")).unwrap();
        let error = failure(Ca::new().transport().proxy(through), "https://api.example/").await;
        assert_attempts(&error, &counted, again, response);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!told(&error).contains("wrong@") && !told(&error).contains("portal"), "{error:?}");
    }
}

#[tokio::test]
async fn proxy_without_password_gives_advice() {
    let (address, _) = proxy("HTTP/1.1 407 Denied\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n").await;
    let error =
        failure(Ca::new().transport().proxy(Proxy::http(format!("http://{address}")).unwrap()), "https://a.example/")
            .await;
    assert!(error.to_string().contains("put them into the proxy's URL"), "{error}");
}

/// A server with this TLS, which counts its connections.
async fn counting(tls: ServerConfig) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, counted) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (count, acceptor) = (Arc::clone(&counted), TlsAcceptor::from(Arc::new(tls)));
    tokio::spawn(async move {
        loop {
            let tcp = listener.accept().await.unwrap().0;
            count.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Err((_, mut tcp)) = acceptor.accept(tcp).into_fallible().await {
                    while tcp.read_u8().await.is_ok() {}
                }
            });
        }
    });
    (address, counted)
}

#[tokio::test]
async fn impossible_handshake_is_attempted_once() {
    let ca = Ca::new();
    let loopback = || CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let mut expired = loopback();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_before = rcgen::date_time_ymd(2019, 1, 1);
    let other = CertificateParams::new(["elsewhere.example".to_owned()]).unwrap();
    let mut forged = ca.sign(&loopback());
    let mut bytes = forged.chain[0].to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    forged.chain = vec![bytes.into()];
    for (case, server) in [
        ("unknown issuer", tls(Ca::new().sign(&loopback()), HTTP_1)),
        ("expired", tls(ca.sign(&expired), HTTP_1)),
        ("wrong host", tls(ca.sign(&other), HTTP_1)),
        ("bad signature", tls(forged, HTTP_1)),
    ] {
        let (address, counted) = counting(server).await;
        let error = failure(ca.transport(), &url(address)).await;
        assert_attempts(&error, &counted, false, case);
    }
    let (address, counted) = counting(tls(Ca::new().sign(&loopback()), HTTP_1)).await;
    for roots in [Roots::platform(), Roots::bundled()] {
        counted.store(0, Ordering::SeqCst);
        assert_attempts(&failure(ca.transport().roots(roots), &url(address)).await, &counted, false, "other roots");
    }
}

#[tokio::test]
async fn missing_or_wrong_client_certificate_is_final() {
    let (ca, clients) = (Ca::new(), Ca::new());
    for alpn in [HTTP_1, HTTP_2] {
        let mut roots = RootCertStore::empty();
        roots.add(clients.der()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let signed = ca.sign(&CertificateParams::new(["127.0.0.1".to_owned()]).unwrap());
        let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let mut server = server.with_client_cert_verifier(verifier).with_single_cert(signed.chain, signed.key).unwrap();
        server.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let (address, counted) = counting(server).await;
        assert_attempts(&failure(ca.transport(), &url(address)).await, &counted, false, "no client certificate");

        counted.store(0, Ordering::SeqCst);
        let own = Ca::new().sign(&CertificateParams::new(["soar.example".to_owned()]).unwrap());
        let identity = ClientIdentity::pem(&own.chain_pem, &own.key_pem).unwrap();
        let error = failure(ca.transport().client_identity(identity), &url(address)).await;
        // That the request was not processed is not certain here; that another attempt is of no use is.
        assert_eq!(
            (counted.load(Ordering::SeqCst), error.attempts(), error.is_permanent()),
            (1, 1, true),
            "{}",
            told(&error)
        );
        assert!(error.to_string().contains("the server refuses the client's certificate"), "{error}");
    }
}

#[tokio::test]
async fn plaintext_server_is_final_dropped_handshake_not() {
    for (bytes, again) in [(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], false), (b"", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, counted) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&counted);
        tokio::spawn(async move {
            loop {
                let mut tcp = listener.accept().await.unwrap().0;
                count.fetch_add(1, Ordering::SeqCst);
                tcp.read_buf(&mut Vec::with_capacity(4096)).await.unwrap();
                tcp.write_all(bytes).await.unwrap();
            }
        });
        assert_attempts(&failure(Ca::new().transport(), &url(address)).await, &counted, again, "no TLS");
    }
}
