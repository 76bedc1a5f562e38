//! A proxy on loopback, which opens ways with `CONNECT`.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
};

use defender_transport::{Error, ErrorKind, HyperTransport, Proxy, Roots, Transport};
use http::Version;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::server::{CANARY, Ca, HTTP_1, HTTP_2, assert_error, post, read_request, serve, url};

/// `Proxy-Authorization` for `user` and the canary.
const BASIC: &str = "Proxy-Authorization: Basic dXNlcjpjYW5hcnktN2YzYQ==";

/// A proxy that takes every name for one and the same server.
struct Tunnels {
    address: SocketAddr,
    /// Each request, and the first of what went through after it.
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tunnels {
    async fn to(server: SocketAddr, response: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let mut client = listener.accept().await.unwrap().0;
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let mut asked = Vec::new();
                    while !asked.ends_with(b"\r\n\r\n") {
                        client.read_buf(&mut asked).await.unwrap();
                    }
                    kept.lock().unwrap().extend(asked);
                    client.write_all(response.as_bytes()).await.unwrap();
                    if response.contains(" 200 ") {
                        let mut server = TcpStream::connect(server).await.unwrap();
                        // The first bytes of the client's, to look at; then all of it.
                        let mut first = Vec::with_capacity(1 << 14);
                        client.read_buf(&mut first).await.unwrap();
                        server.write_all(&first).await.unwrap();
                        kept.lock().unwrap().extend(first);
                        let _ended = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }
}

/// A server for `api.example`, which keeps the heads of the requests; it answers 204.
async fn server(ca: &Ca, alpn: &'static [&'static str]) -> (SocketAddr, Arc<Mutex<String>>) {
    let heads = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&heads);
    let address = serve(ca.server("api.example", alpn), move |mut stream| {
        let kept = Arc::clone(&kept);
        async move {
            if alpn == HTTP_1 {
                let (head, _) = read_request(&mut stream).await.unwrap();
                kept.lock().unwrap().push_str(&head);
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                return;
            }
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let head = format!("{request:?}");
                kept.lock().unwrap().push_str(&head);
                respond.send_response(http::Response::builder().status(204).body(()).unwrap(), true).unwrap();
            }
        }
    })
    .await;
    (address, heads)
}

const OPENED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

async fn refusal(response: &'static str) -> Error {
    let ca = Ca::new();
    let proxy = Tunnels::to(SocketAddr::from(([127, 0, 0, 1], 1)), response).await;
    let through = Proxy::http(format!("http://user:{CANARY}@{}", proxy.address)).unwrap();
    ca.transport().proxy(through).build().unwrap().send(post("https://api.example/")).await.unwrap_err()
}

#[tokio::test]
async fn proxy_alone_gets_the_proxy_password() {
    for (alpn, version) in [(HTTP_1, Version::HTTP_11), (HTTP_2, Version::HTTP_2)] {
        let ca = Ca::new();
        let (address, heads) = server(&ca, alpn).await;
        let proxy = Tunnels::to(address, OPENED).await;
        let through = Proxy::http(format!("http://user:{CANARY}@{}", proxy.address)).unwrap();
        let transport = ca.transport().proxy(through).build().unwrap();
        assert!(!format!("{transport:?}").contains(CANARY));
        let mut request = post("https://api.example/path?query");
        request.headers_mut().clear();
        let response = transport.send(request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (204, version));
        let heard = proxy.heard();
        assert!(
            heard.starts_with("CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\nUser-Agent: defender-rs/"),
            "{heard}"
        );
        assert!(heard.contains(BASIC), "{heard}");
        assert!(!heard.contains("/path") && !heard.contains(CANARY), "it sees no more than the host: {heard}");
        let heads = heads.lock().unwrap().to_ascii_lowercase();
        assert!(heads.contains("/path") && !heads.contains("proxy-authorization"), "{heads}");
    }
}

#[tokio::test]
async fn refusing_proxy_is_a_clear_connect_error() {
    for (response, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "refused: 407"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "refused: 403 Forbidden"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "refused: 502 Bad Gateway"),
        ("I am no proxy\r\n\r\n", "does not speak HTTP/1"),
    ] {
        let error = refusal(response).await;
        assert_error(&error, ErrorKind::Connect, true, words);
        assert_error(&error, ErrorKind::Connect, true, "to api.example: the proxy 127.0.0.1:");
    }
}

#[tokio::test]
async fn missing_proxy_is_a_clear_connect_error() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let through = Proxy::http(format!("http://user:{CANARY}@{}", socket.local_addr().unwrap())).unwrap();
    let transport = Ca::new().transport().proxy(through).build().unwrap();
    let error = transport.send(post("https://api.example/")).await.unwrap_err();
    assert_error(&error, ErrorKind::Connect, true, "the connection was refused");
    assert_error(&error, ErrorKind::Connect, true, "the proxy 127.0.0.1:");
}

#[tokio::test]
async fn exceptions_do_not_use_the_proxy() {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", HTTP_1), |mut stream| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    })
    .await;
    let proxy = Tunnels::to(address, OPENED).await;
    let through = Proxy::http(format!("http://{}", proxy.address)).unwrap();
    for (except, heard) in [("", true), ("localhost, .example", true), ("127.0.0.0/8", false), ("*", false)] {
        proxy.heard.lock().unwrap().clear();
        let transport = ca.transport().proxy(through.clone().except(except)).build().unwrap();
        assert_eq!(transport.send(post(&url(address))).await.unwrap().status(), 204);
        assert_eq!(!proxy.heard().is_empty(), heard, "{except}");
    }
}

/// Set for a process of this test's own.
const INSIDE: &str = "DEFENDER_TRANSPORT_TEST_CA";

#[tokio::test]
async fn the_environments_proxy_is_the_default() {
    if let Some(ca) = std::env::var_os(INSIDE) {
        // This is the process with a proxy in its environment; what it says is looked at outside.
        let transport = HyperTransport::builder().roots(Roots::pem(ca.to_str().unwrap()).unwrap()).build();
        let outcome = match transport {
            Ok(transport) => transport.send(post("https://api.example/")).await.map(|response| response.status()),
            Err(error) => Err(error),
        };
        println!("told: {outcome:?}");
        return;
    }
    let ca = Ca::new();
    let (address, _) = server(&ca, HTTP_1).await;
    let proxy = Tunnels::to(address, OPENED).await;
    let through = format!("http://user:{CANARY}@{}", proxy.address);
    for (variables, words, heard) in [
        (vec![("HTTPS_PROXY", through.as_str())], "Ok(204)", true),
        (vec![("all_proxy", &through), ("NO_PROXY", "other.example")], "Ok(204)", true),
        (vec![("https_proxy", &through), ("no_proxy", "api.example:8443,10.0.0.0/8")], "Ok(204)", true),
        (vec![("HTTPS_PROXY", "socks5://user:canary-7f3a@127.0.0.1:1")], "`HTTPS_PROXY`", false),
        (vec![("HTTPS_PROXY", "http://:canary-7f3a@:1:1")], "`HTTPS_PROXY`", false),
    ] {
        proxy.heard.lock().unwrap().clear();
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args(["--exact", "proxy::the_environments_proxy_is_the_default", "--nocapture"]).env(INSIDE, ca.pem());
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
            process.env_remove(name);
        }
        process.envs(variables.iter().copied());
        let output = tokio::task::spawn_blocking(move || process.output().unwrap()).await.unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains("told: ") && told.contains(words), "{variables:?}: {told}");
        assert!(!told.contains(CANARY), "{told}");
        assert_eq!(proxy.heard().contains(BASIC), heard, "{variables:?}");
    }
}
