//! Http without TLS: to this machine, if it is allowed, and never through a proxy.

use std::sync::Arc;

use defender_transport::{ErrorKind, PlainHttp, Proxy, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::server::{Ca, assert_error, get, post};

#[tokio::test]
async fn plain_http_is_refused_unless_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = format!("http://{}/", listener.local_addr().unwrap());
    for (allowed, url) in [
        (PlainHttp::Refused, near.as_str()),
        (PlainHttp::Loopback, "http://169.254.169.254/metadata"),
        (PlainHttp::Loopback, "http://api.example/"),
        (PlainHttp::LinkLocal, "http://10.0.0.1/"),
        (PlainHttp::LinkLocal, "ftp://127.0.0.1/"),
    ] {
        let error = Ca::new().transport().plain_http(allowed).build().unwrap().send(post(url)).await.unwrap_err();
        assert_error(&error, ErrorKind::Request, true, "");
    }
}

#[tokio::test]
async fn allowed_plain_http_bypasses_the_proxy() {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    // Nobody listens there once it has been dropped.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::http(format!("http://{}", gone.local_addr().unwrap())).unwrap();
    drop(gone);
    for (allowed, host) in [(PlainHttp::Loopback, "127.0.0.1"), (PlainHttp::LinkLocal, "localhost")] {
        let transport = Ca::new().transport().proxy(proxy.clone());
        let transport = match allowed {
            PlainHttp::LinkLocal => transport.build().unwrap().link_local(),
            allowed => transport.plain_http(allowed).build().unwrap(),
        };
        let request = get(&format!("http://{host}:{port}/metadata/identity?x=y"));
        let server = Arc::clone(&listener);
        let asked = tokio::spawn(async move {
            let mut stream = server.accept().await.unwrap().0;
            let mut asked = Vec::with_capacity(1 << 10);
            stream.read_buf(&mut asked).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        assert_eq!(transport.send(request).await.unwrap().status(), 204);
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("GET /metadata/identity?x=y HTTP/1.1\r\n"), "{asked}");
    }
}
