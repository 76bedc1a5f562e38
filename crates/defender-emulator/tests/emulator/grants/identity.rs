//! The hosts of managed identities, over plain http on a listener of their own.

use bytes::Bytes;
use defender_emulator::{Emulator, Fault, RetryAfter};
use defender_transport::{Transport, testing::ManualClock};
use http::{Request, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const RESOURCE: &str = "resource=https%3A%2F%2Fapi.securitycenter.microsoft.com";

/// The status and the body of a GET over plain http.
async fn get(emulator: &Emulator, target: &str, header: &str) -> (u16, String) {
    let host = emulator.imds_endpoint().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn imds(version: &str) -> String {
    format!("/metadata/identity/oauth2/token?api-version={version}&{RESOURCE}")
}

#[tokio::test]
async fn imds_token_has_numbers_as_strings() {
    let emulator = Emulator::start().await.unwrap();
    // msal-node puts a slash behind the path.
    for target in [imds("2018-02-01"), imds("2021-12-13"), imds("2018-02-01").replace("token?", "token/?")] {
        let (status, body) = get(&emulator, &target, "Metadata: true").await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["expires_in"], &body["refresh_token"]), (&"3599".into(), &"".into()));
        assert!(body["expires_on"].is_string() && body["access_token"].is_string());
    }
}

#[tokio::test]
async fn what_the_metadata_service_refuses() {
    let emulator = Emulator::start().await.unwrap();
    let user = format!("{}&client_id=other", imds("2018-02-01"));
    for (target, header, words) in [
        (imds("2018-02-01"), "", "bad_request_102"),
        (imds("2018-02-01"), "Metadata: True", "bad_request_102"),
        (imds("2018-02-01"), "Metadata: true\r\nX-Forwarded-For: 10.0.0.1", "proxy"),
        (imds("2017-09-01"), "Metadata: true", "api-version"),
        (imds("latest"), "Metadata: true", "api-version"),
        ("/metadata/identity/oauth2/token?api-version=2018-02-01".to_owned(), "Metadata: true", "AADSTS500011"),
        (user, "Metadata: true", "Identity not found"),
    ] {
        let (status, body) = get(&emulator, &target, header).await;
        assert!(status == 400 && body.contains(words), "{target} {header}: {status} {body}");
    }
}

#[tokio::test]
async fn what_app_service_refuses() {
    let emulator = Emulator::start().await.unwrap();
    let header = format!("X-IDENTITY-HEADER: {}", emulator.identity_header());
    let target = |rest: &str| format!("/msi/token?{RESOURCE}{rest}");
    let (status, body) = get(&emulator, &target("&api-version=2019-08-01"), &header).await;
    assert!(status == 200 && !body.contains("expires_in"), "{body}");
    for (rest, header, expected) in [
        ("&api-version=2019-08-01", "", 401),
        ("&api-version=2019-08-01", "X-IDENTITY-HEADER: other", 401),
        ("&api-version=2017-09-01", header.as_str(), 400),
        ("", &header, 400),
        ("&api-version=2019-08-01&principal_id=other", &header, 400),
    ] {
        let (status, body) = get(&emulator, &target(rest), header).await;
        assert_eq!(status, expected, "{rest} {header}: {body}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["message"].is_string());
    }
}

#[tokio::test]
async fn identity_hosts_serve_nothing_else() {
    let emulator = Emulator::start().await.unwrap();
    for target in ["/", "/api/machines", "/api/machineactions", &format!("/{}/oauth2/v2.0/token", emulator.tenant_id())]
    {
        assert_eq!(get(&emulator, target, "Metadata: true").await.0, 404, "{target}");
    }
    let request = Request::get(format!("{}{}", emulator.base_url(), imds("2018-02-01"))).header("metadata", "true");
    let response = emulator.transport().send(request.body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn identity_endpoint_works_in_process() {
    let clock = ManualClock::new();
    let emulator = Emulator::builder().clock(std::sync::Arc::new(clock)).in_process().unwrap();
    assert_eq!(emulator.imds_endpoint(), "http://169.254.169.254");
    emulator.fault(Fault::Status(410, RetryAfter::Absent)).times(1);
    for expected in [410, 200] {
        let request = Request::get(format!("{}{}", emulator.imds_endpoint(), imds("2018-02-01")));
        let request = request.header("metadata", "true").body(Bytes::new()).unwrap();
        assert_eq!(emulator.transport().send(request).await.unwrap().status(), expected);
    }
}
