//! Error texts that an on-call analyst reads if there is no token: each fault in one line, which says what to do.

use std::{fmt::Write, sync::Arc};

use defender_auth::{
    ClientSecretCredential, Cloud, CredentialContext, DeviceCodeCredential, Error, IntoCredential,
    ManagedIdentityCredential, TokenRequest,
};
use defender_transport::{
    Body, Error as WireError, ErrorKind as WireKind, HyperTransport, Proxy, SystemClock, Transport,
    testing::{Capture, ManualClock},
};
use http::Response;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{ask, context};

fn secret() -> ClientSecretCredential {
    ClientSecretCredential::new("contoso.com", "the-client", "the-secret")
}

async fn of(description: impl IntoCredential, transport: &(impl Transport + Clone + 'static)) -> Error {
    let clock = ManualClock::new();
    match description.into_credential(&context(transport, &clock)) {
        Ok(credential) => ask(&credential, &clock).await.unwrap_err(),
        Err(error) => error,
    }
}

fn entra(number: u32, text: &str) -> Capture {
    let body = format!(
        r#"{{"error":"invalid_client","error_description":"AADSTS{number}: {text}\r\nTrace ID: t","error_codes":[{number}]}}"#
    );
    responding(401, body)
}

fn responding(status: u16, body: impl Into<bytes::Bytes>) -> Capture {
    Capture::answering(Response::builder().status(status).body(body.into()).unwrap())
}

fn failing(what: &'static str) -> Capture {
    Capture::with(move |_| Err(WireError::new(WireKind::Connect).context(what)))
}

/// Error of a real transport through a proxy that responds so.
async fn through(response: &'static str) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let mut client = listener.accept().await.unwrap().0;
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                client.read_buf(&mut asked).await.unwrap();
            }
            client.write_all(response.as_bytes()).await.unwrap();
        }
    });
    let proxy = Proxy::http(format!("http://user:password@{address}")).unwrap();
    let transport = HyperTransport::builder().proxy(proxy).build().unwrap();
    let context = CredentialContext::new(Arc::new(transport), Arc::new(SystemClock::new()), Cloud::Public);
    secret().into_credential(&context).unwrap().token(&TokenRequest::new()).await.unwrap_err()
}

/// The lines are kept in a file, so that a change is seen and read.
#[tokio::test]
async fn every_fault_says_what_to_do() {
    let declined = Capture::with(|request| {
        let is_code = request.uri().path().ends_with("/devicecode");
        let body = if is_code {
            r#"{"device_code":"d","user_code":"u","verification_uri":"https://x.example/","expires_in":900,"interval":5}"#
        } else {
            r#"{"error":"authorization_declined","error_description":"AADSTS65004: User declined to consent."}"#
        };
        Ok(Response::builder().status(if is_code { 200 } else { 400 }).body(Body::from(body)).unwrap())
    });
    let ended = r#"{"token_type":"Bearer","expires_in":0,"access_token":"t"}"#;
    let page = "<html><h1>Access denied by policy</h1></html>";
    let imds = || ManagedIdentityCredential::system_assigned().at_imds("http://169.254.169.254");
    let faults = [
        ("wrong secret", of(secret(), &entra(7_000_215, "Invalid client secret provided.")).await),
        ("expired secret", of(secret(), &entra(7_000_222, "The provided client secret keys are expired.")).await),
        ("wrong client id", of(secret(), &entra(700_016, "Application was not found in the directory.")).await),
        ("wrong tenant", of(secret(), &entra(90_002, "Tenant 'contoso.com' not found.")).await),
        ("wrong audience", of(secret(), &entra(500_011, "The resource principal was not found.")).await),
        ("missing consent", of(secret(), &entra(65_001, "The user or administrator has not consented.")).await),
        ("wrong clock", of(secret(), &entra(700_024, "Client assertion is not within its valid time range.")).await),
        ("token that has ended", of(secret(), &responding(200, ended)).await),
        ("no tenant", of(ClientSecretCredential::new("", "c", "s"), &responding(200, "")).await),
        ("no secret", of(ClientSecretCredential::new("t", "c", "\n"), &responding(200, "")).await),
        ("throttled", of(secret(), &responding(429, "Too Many Requests")).await),
        ("endpoint in trouble", of(secret(), &responding(503, "")).await),
        ("block page", of(secret(), &responding(403, page)).await),
        ("captive portal", of(secret(), &responding(200, page)).await),
        ("portal that wants a login", of(secret(), &responding(511, page)).await),
        ("redirect", of(secret(), &responding(302, page)).await),
        ("proxy's own 407", of(secret(), &responding(407, page)).await),
        ("unknown name", of(secret(), &failing("to login.example: its name cannot be resolved; check the name, the network and the DNS server")).await),
        ("unknown CA", of(secret(), &failing("to login.example: the server's certificate comes from a CA that is not trusted; where a proxy inspects TLS, add its CA to the roots")).await),
        ("wrong proxy password", through("HTTP/1.1 407 Denied\r\n\r\n").await),
        ("proxy with NTLM", through("HTTP/1.1 407 D\r\nProxy-Authenticate: NTLM\r\n\r\n").await),
        ("proxy that forbids", through("HTTP/1.1 403 Forbidden\r\n\r\n").await),
        ("no managed identity", of(imds(), &failing("to 169.254.169.254: no way leads there; check the network")).await),
        ("identity not assigned", of(imds(), &responding(400, "{}")).await),
        ("person who declines", of(DeviceCodeCredential::new("contoso.com", "c", |_| ()), &declined).await),
    ];
    let (mut gallery, mut silent) = (String::new(), Vec::new());
    for (fault, error) in &faults {
        let port = error.to_string();
        let port = port.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("none");
        let line = error.to_string().replace(port, "PORT");
        let advises = [
            "check",
            "use ",
            "make ",
            "put ",
            "go through",
            "ask ",
            "wait",
            "add ",
            "give",
            "try again",
            "grant",
            "is the identity",
            "choose",
            "unset",
            "correct",
        ];
        if !advises.iter().any(|advice| line.contains(advice)) {
            silent.push(format!("{fault}: {line}"));
        }
        assert!(!line.contains('\n') && !line.contains("the-secret"), "{fault}: {line}");
        writeln!(gallery, "{fault}\n  {line}").unwrap();
    }
    assert_eq!(silent, [""; 0], "these say nothing of what to do");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gallery.txt");
    if std::env::var_os("WRITE_GALLERY").is_some() {
        std::fs::write(path, &gallery).unwrap();
    }
    assert_eq!(gallery, std::fs::read_to_string(path).unwrap(), "if it is meant, run this with WRITE_GALLERY=1");
}
