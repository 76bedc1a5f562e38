//! A redirect to another host is not followed, and the other host never hears of it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use defender_transport::{Redirects, Retry, SystemClock, Transport, TransportExt};
use http::{Method, header::LOCATION};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::server::{CANARY, Ca, HTTP_1, post, read_request, serve};

#[tokio::test]
async fn redirect_target_gets_no_secret() {
    // It answers every connection and every request, and keeps every byte.
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = elsewhere.local_addr().unwrap();
    let (connections, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counted, kept) = (Arc::clone(&connections), Arc::clone(&heard));
    tokio::spawn(async move {
        loop {
            let mut stream = elsewhere.accept().await.unwrap().0;
            counted.fetch_add(1, Ordering::SeqCst);
            let mut bytes = Vec::with_capacity(1 << 14);
            let _read = stream.read_buf(&mut bytes).await;
            kept.lock().unwrap().extend(bytes);
        }
    });
    let ca = Ca::new();
    let asked = Arc::new(AtomicUsize::new(0));
    for (status, location) in [
        (301, format!("https://{target}/")),
        (302, format!("//{target}/")),
        (303, format!("https://user@{target}/")),
        (307, format!("http://{target}/")),
        (308, format!("https://localhost:{}/", target.port())),
    ] {
        let counted = Arc::clone(&asked);
        let response = format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let address = serve(ca.server("127.0.0.1", HTTP_1), move |mut stream| {
            let (counted, response) = (Arc::clone(&counted), response.clone());
            async move {
                while read_request(&mut stream).await.is_some() {
                    counted.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(response.as_bytes()).await.unwrap();
                }
            }
        })
        .await;
        for (redirects, method) in [
            (Redirects::Refuse, Method::POST),
            (Redirects::SameHost(3), Method::POST),
            (Redirects::SameHost(3), Method::GET),
        ] {
            let transport = ca.transport().build().unwrap().redirected().policy(redirects);
            let transport = transport.decompressed().deadline(SystemClock::new()).buffered().paced(SystemClock::new());
            let transport = transport.retrying(SystemClock::new()).policy(Retry::default());
            let mut request = post(&format!("https://{address}/?sig={CANARY}"));
            *request.method_mut() = method;
            let before = asked.load(Ordering::SeqCst);
            let response = transport.send(request).await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[LOCATION], location);
            assert_eq!(asked.load(Ordering::SeqCst), before + 1, "it was sent once");
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    assert_eq!(*heard.lock().unwrap(), b"");
}
