//! In which phase an exchange failed, and whether the request can have been processed by then.

use std::time::Duration;

use defender_transport::{ErrorKind, Proxy, Transport, testing::ManualClock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
};

use crate::server::{Ca, HTTP_1, HTTP_2, assert_error, post, read_request, serve, url};

#[tokio::test]
async fn unresolved_name_is_reported_as_such() {
    // No name may have a part of more than 63 letters, so nobody is asked for it.
    let url = format!("https://{}.example/", "a".repeat(70));
    let error = Ca::new().transport().build().unwrap().send(post(&url)).await.unwrap_err();
    assert_error(&error, ErrorKind::Connect, true, "its name cannot be resolved");
}

#[tokio::test]
async fn invalid_port_fails_to_connect() {
    let error = Ca::new().transport().build().unwrap().send(post("https://127.0.0.1:65536/")).await.unwrap_err();
    assert_error(&error, ErrorKind::Connect, true, "its port is none");
}

#[tokio::test]
async fn refused_connection_is_reported_as_such() {
    // Bound but not listening: the port is ours, and refuses.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let error = Ca::new().transport().build().unwrap().send(post(&url(address))).await.unwrap_err();
    assert_error(&error, ErrorKind::Connect, true, "the connection was refused");
    assert!(!error.is_timeout());
}

#[tokio::test]
async fn server_without_tls_is_reported_as_such() {
    for (said, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "the server speaks no TLS"),
        (b"", "ended the connection during the TLS handshake"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let transport = Ca::new().transport().build().unwrap();
        let request = post(&url(listener.local_addr().unwrap()));
        let (response, ()) = tokio::join!(transport.send(request), async {
            let mut stream = listener.accept().await.unwrap().0;
            stream.read_buf(&mut Vec::with_capacity(1 << 14)).await.unwrap();
            stream.write_all(said).await.unwrap();
        });
        assert_error(&response.unwrap_err(), ErrorKind::Connect, true, words);
    }
}

/// Error of a transport for a server, or a proxy, that accepts connections and never sends a byte.
async fn silence(through_a_proxy: bool) -> defender_transport::Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = ManualClock::new();
    let mut transport = Ca::new().transport().clock(clock.clone()).connect_timeout(Duration::from_secs(600));
    if through_a_proxy {
        transport = transport.proxy(Proxy::http(format!("http://{address}")).unwrap());
    }
    let transport = transport.build().unwrap();
    let silent = async {
        let mut stream = listener.accept().await.unwrap().0;
        stream.read_buf(&mut Vec::with_capacity(1 << 14)).await.unwrap();
        while clock.sleeping() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(600));
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        response = transport.send(post(&url(address))) => response.unwrap_err(),
        () = silent => panic!("it still waits, though its time is over"),
    }
}

#[tokio::test]
async fn silent_tls_server_hits_connect_timeout() {
    let error = silence(false).await;
    assert_error(&error, ErrorKind::Connect, true, "the TLS handshake was not done within 600s");
    assert!(error.is_timeout());
}

#[tokio::test]
async fn silent_proxy_hits_connect_timeout() {
    let error = silence(true).await;
    assert_error(&error, ErrorKind::Connect, true, "opened no way within 600s");
    assert!(error.is_timeout());
}

#[tokio::test]
async fn non_http_response_is_a_protocol_error() {
    for (alpn, said) in [
        (HTTP_1, &b"\x00\x01\x02 what is this\r\n\r\n"[..]),
        (HTTP_1, b"HTTP/1.1 9999 What\r\n\r\n"),
        (HTTP_1, b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
        (HTTP_2, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let ca = Ca::new();
        let address = serve(ca.server("127.0.0.1", alpn), move |mut stream| async move {
            if alpn == HTTP_1 {
                read_request(&mut stream).await.unwrap();
            }
            stream.write_all(said).await.unwrap();
            stream.flush().await.unwrap();
            while stream.read_u8().await.is_ok() {}
        })
        .await;
        let error = ca.transport().build().unwrap().send(post(&url(address))).await.unwrap_err();
        let said = String::from_utf8_lossy(said);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{said}: {error:?}");
        assert!(!error.never_sent(), "{said}: {error:?}");
    }
}

#[tokio::test]
async fn reset_after_sending_leaves_outcome_unknown() {
    let ca = Ca::new();
    let address = serve(ca.server("127.0.0.1", HTTP_1), |mut stream| async move {
        read_request(&mut stream).await.unwrap();
        // What is closed so is reset.
        stream.get_ref().0.set_zero_linger().unwrap();
    })
    .await;
    let error = ca.transport().build().unwrap().send(post(&url(address))).await.unwrap_err();
    assert_error(&error, ErrorKind::Interrupted, false, "by 127.0.0.1");
}
