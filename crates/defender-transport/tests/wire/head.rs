//! The head of a response is bounded, in bytes and in number.

use defender_transport::{ErrorKind, HyperTransport, Transport};
use http::Response;

use crate::server::{Ca, HTTP_1, HTTP_2, assert_error, post, read_request, serve, url};

/// A transport with its own limits, and the URL of a server whose answers have `count` headers of `size` bytes each.
async fn answering(alpn: &'static [&'static str], count: usize, size: usize) -> (Ca, String) {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", alpn), move |mut stream| async move {
        if alpn == HTTP_2 {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let mut response = Response::builder().status(204);
                for number in 0..count {
                    response = response.header(format!("x-{number}"), "v".repeat(size));
                }
                // The client may have had enough of it.
                let _sent = respond.send_response(response.body(()).unwrap(), true);
            }
            return;
        }
        let headers: Vec<_> = (0..count).map(|number| format!("x-{number}: {}\r\n", "v".repeat(size))).collect();
        let headers = headers.concat();
        read_request(&mut stream).await.unwrap();
        let response = format!("HTTP/1.1 204 No Content\r\n{headers}\r\n");
        let _sent = tokio::io::AsyncWriteExt::write_all(&mut stream, response.as_bytes()).await;
        while tokio::io::AsyncReadExt::read_u8(&mut stream).await.is_ok() {}
    })
    .await;
    (ca, url(address))
}

async fn outcome(transport: &HyperTransport, url: &str) -> Result<usize, defender_transport::Error> {
    transport.send(post(url)).await.map(|response| response.headers().len())
}

#[tokio::test]
async fn a_head_within_the_limits_is_taken() {
    for alpn in [HTTP_1, HTTP_2] {
        let (ca, url) = answering(alpn, 90, 500).await;
        assert_eq!(outcome(&ca.transport().build().unwrap(), &url).await.unwrap(), 90, "{alpn:?}");
        let (ca, url) = answering(alpn, 250, 10).await;
        assert_eq!(outcome(&ca.transport().max_headers(300).build().unwrap(), &url).await.unwrap(), 250, "{alpn:?}");
    }
}

#[tokio::test]
async fn oversized_http_1_head_is_too_large() {
    for (count, size) in [(20, 7_000), (101, 10), (1, 1_000_000)] {
        let (ca, url) = answering(HTTP_1, count, size).await;
        let error = outcome(&ca.transport().build().unwrap(), &url).await.unwrap_err();
        assert_error(&error, ErrorKind::TooLarge, false, "the head, from 127.0.0.1");
    }
    let (ca, url) = answering(HTTP_1, 30, 1_000).await;
    let transport = ca.transport().max_head(10_000).build().unwrap();
    assert_error(&outcome(&transport, &url).await.unwrap_err(), ErrorKind::TooLarge, false, "the head");
    let (ca, url) = answering(HTTP_1, 20, 10).await;
    let transport = ca.transport().max_headers(19).build().unwrap();
    assert_error(&outcome(&transport, &url).await.unwrap_err(), ErrorKind::TooLarge, false, "the head");
}

#[tokio::test]
async fn oversized_http_2_head_is_protocol_error() {
    for (count, size) in [(10, 7_000), (2_000, 10), (100, 10_000)] {
        let (ca, url) = answering(HTTP_2, count, size).await;
        let error = outcome(&ca.transport().build().unwrap(), &url).await.unwrap_err();
        assert_error(&error, ErrorKind::Protocol, false, "from 127.0.0.1");
    }
    let (ca, url) = answering(HTTP_2, 5, 100).await;
    let transport = ca.transport().max_head(400).build().unwrap();
    assert_error(&outcome(&transport, &url).await.unwrap_err(), ErrorKind::Protocol, false, "malformed or too large");
}

#[tokio::test]
async fn limits_of_nothing_are_no_panic() {
    let (ca, url) = answering(HTTP_1, 1, 1).await;
    let transport = ca.transport().max_head(0).max_headers(0).build().unwrap();
    assert_error(&outcome(&transport, &url).await.unwrap_err(), ErrorKind::TooLarge, false, "the head");
}
