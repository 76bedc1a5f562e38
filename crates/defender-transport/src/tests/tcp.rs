//! The network itself, on loopback.

use std::time::Duration;

use http::Uri;
use tokio::net::TcpListener;

use crate::hyper::tcp::Tcp;

/// With Nagle's algorithm on, each POST over HTTP/2 waits 40 ms: its head and its body are two small writes.
#[tokio::test]
async fn trap_32_nagle_is_disabled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to: Uri = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let stream = Tcp::new(Duration::from_secs(10)).connect(&to).await.unwrap();
    assert!(stream.nodelay().unwrap());
}
