//! Memory that a large upload takes: its own bytes, which the caller has already, and little more.
//!
//! A binary of its own, so that nothing else is counted.
#![cfg(feature = "hyper")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use bytes::Bytes;
use defender_transport::{HyperTransport, PlainHttp, Proxy, Roots, Transport};
use http::Request;
use peak_alloc::PeakAlloc;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::TcpListener,
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
const UPLOAD: usize = 32 * MIB;

/// Reads two requests of one connection, each with a body of `UPLOAD` bytes, and answers how many bytes came of it.
async fn count(listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufStream::new(stream);
    for _ in 0..2 {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        let mut body = (&mut stream).take(u64::try_from(UPLOAD).unwrap());
        let said = tokio::io::copy(&mut body, &mut tokio::io::sink()).await.unwrap().to_string();
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len());
        stream.write_all(response.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

#[tokio::test]
async fn upload_is_written_without_a_copy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(count(listener));
    let transport =
        HyperTransport::builder().roots(Roots::bundled()).proxy(Proxy::none()).plain_http(PlainHttp::Loopback);
    let transport = transport.build().unwrap();
    let body = Bytes::from(vec![7; UPLOAD]);
    for _ in 0..2 {
        let request = Request::post(&url).body(body.clone()).unwrap();
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let response = transport.send(request).await.unwrap().into_body().collect(100).await.unwrap();
        assert_eq!(response, UPLOAD.to_string());
        let grown = HEAP.peak_usage().saturating_sub(before);
        assert!(grown < MIB, "{grown} bytes more for an upload of {UPLOAD}");
    }
    server.await.unwrap();
}
