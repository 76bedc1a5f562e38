//! Secrets travel to the authority alone: any other host is sent none, and records what comes.

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use defender_auth::{Cloud, CredentialContext, ErrorKind, IntoCredential, ManagedIdentityCredential};
use defender_transport::{Retry, testing::ManualClock};
use http::{Request, Response};

use crate::{
    canary::{FLOWS, Flow, Seen, World, brought},
    support::{
        Folder,
        endpoint::{Ca, Endpoint, Reply},
        wire::{Wire, asked},
    },
};

/// Asks through `flow` at `authority`; gives the kind of the error, be it told at the connecting or at the asking.
async fn outcome(ca: &Ca, flow: &Flow, authority: String, plain_port: u16) -> ErrorKind {
    let (clock, transport) = (ManualClock::new(), Wire::trusting(&ca.pem));
    let world =
        World { folder: Folder::new(), ending: "a token", plain_port, busy: Arc::default(), made: Arc::default() };
    let context = CredentialContext::new(Arc::new(transport.clone()), Arc::new(clock.clone()), Cloud::Public)
        .authority(authority)
        .retry(Retry::default().attempts(2));
    let credential = match flow.try_connect(&world, &mut Seen::default(), &context) {
        Ok(credential) => credential,
        Err(error) => return error.kind(),
    };
    let busy = Arc::clone(&world.busy);
    let is_idle = || busy.load(std::sync::atomic::Ordering::Relaxed) == 0 && transport.waiting() == 0;
    asked(&credential, &clock, is_idle).await.unwrap_err().kind()
}

/// The flows that go to the authority, and those that go to the machine's own host.
fn flows(of_the_host: bool) -> impl Iterator<Item = &'static Flow> {
    let talks = |flow: &&Flow| !["Azure CLI", "static"].contains(&flow.name);
    FLOWS.iter().filter(talks).filter(move |flow| flow.name.starts_with("managed identity") == of_the_host)
}

fn device_code(request: &Request<Bytes>) -> Option<Reply> {
    let body = r#"{"device_code":"canary-device","user_code":"u","verification_uri":"https://x.example/","expires_in":900,"interval":5}"#;
    let is_first = request.uri().path().ends_with("/devicecode");
    is_first.then(|| Reply::Answer(Response::new(Bytes::from_static(body.as_bytes()))))
}

/// Gives a token to every request: it would be accepted, if a request came.
fn welcoming(_: &Request<Bytes>) -> Reply {
    let body = r#"{"token_type":"Bearer","expires_in":3599,"expires_on":"1767272400","access_token":"evil"}"#;
    Reply::Answer(Response::new(Bytes::from_static(body.as_bytes())))
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let ca = Ca::new();
    let mut brought_in_all = 0;
    for status in [301, 302, 303, 307, 308] {
        for (of_the_host, flow) in flows(false).map(|flow| (false, flow)).chain(flows(true).map(|flow| (true, flow))) {
            let elsewhere = Endpoint::tls(&ca, "127.0.0.1", "h2", welcoming).await;
            let plain_elsewhere = Endpoint::plain(welcoming).await;
            let places = [
                format!("https://127.0.0.1:{}/token", elsewhere.port),
                format!("http://127.0.0.1:{}/token", plain_elsewhere.port),
            ];
            for place in places {
                let redirecting = move |request: &Request<Bytes>| {
                    device_code(request).unwrap_or_else(|| {
                        let response = Response::builder().status(status).header("location", &place);
                        Reply::Answer(response.body(Bytes::new()).unwrap())
                    })
                };
                let (tls, plain) = if of_the_host {
                    (None, Endpoint::plain(redirecting).await)
                } else {
                    let plain = Endpoint::plain(welcoming).await;
                    (Some(Endpoint::tls(&ca, "127.0.0.1", "h2", redirecting).await), plain)
                };
                let port = tls.as_ref().map_or(1, |tls| tls.port);
                let kind = outcome(&ca, flow, format!("https://127.0.0.1:{port}"), plain.port).await;
                assert_eq!(kind, ErrorKind::Response, "{}, {status}", flow.name);
                let asked = tls.iter().flat_map(Endpoint::requests).chain(plain.requests());
                brought_in_all += asked.filter(|request| brought(request).contains("canary")).count();
            }
            assert_eq!((elsewhere.connections(), plain_elsewhere.connections()), (0, 0), "{}, {status}", flow.name);
        }
    }
    assert!(brought_in_all >= 50, "the secrets were in play: {brought_in_all}");
}

#[tokio::test]
async fn plain_http_authority_is_sent_nothing() {
    let ca = Ca::new();
    let plain = Endpoint::plain(welcoming).await;
    for flow in flows(false) {
        for host in ["127.0.0.1", "localhost"] {
            let kind = outcome(&ca, flow, format!("http://{host}:{}", plain.port), 1).await;
            assert_eq!(kind, ErrorKind::Configuration, "{}", flow.name);
        }
    }
    assert_eq!(plain.connections(), 0);
}

#[tokio::test]
async fn host_with_wrong_certificate_is_sent_nothing() {
    let (ca, other) = (Ca::new(), Ca::new());
    let for_another_name = Endpoint::tls(&ca, "login.example", "h2", welcoming).await;
    let by_another_issuer = Endpoint::tls(&other, "127.0.0.1", "h2", welcoming).await;
    let no_tls = Endpoint::plain(welcoming).await;
    for flow in flows(false) {
        for endpoint in [&for_another_name, &by_another_issuer, &no_tls] {
            let kind = outcome(&ca, flow, format!("https://127.0.0.1:{}", endpoint.port), 1).await;
            assert_eq!(kind, ErrorKind::Transport, "{}", flow.name);
        }
    }
    for endpoint in [&for_another_name, &by_another_issuer, &no_tls] {
        assert!(endpoint.connections() > 0, "it was tried");
        assert!(endpoint.requests().is_empty());
        let raw = String::from_utf8_lossy(&endpoint.raw()).into_owned();
        assert!(!raw.contains("canary") && !raw.contains("client"), "{raw}");
    }
}

#[tokio::test]
async fn distant_identity_host_is_sent_nothing() {
    let ca = Ca::new();
    let plain = Endpoint::plain(welcoming).await;
    // All of these lead to the loopback, or could be made to; none of them says so.
    for host in [
        "evil.example",
        "localhost.evil.example",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "10.1.2.3",
        "169.253.1.1",
    ] {
        for of_imds in [true, false] {
            let (clock, transport) = (ManualClock::new(), Wire::trusting(&ca.pem));
            let context = CredentialContext::new(Arc::new(transport), Arc::new(clock), Cloud::Public);
            let url = format!("http://{host}:{}", plain.port);
            let credential = ManagedIdentityCredential::system_assigned();
            let credential =
                if of_imds { credential.at_imds(url) } else { credential.at_app_service(url, "canary-header") };
            let error = credential.into_credential(&context).unwrap_err();
            assert!(
                error.kind() == ErrorKind::Configuration && !format!("{error:?}").contains("canary"),
                "{host}: {error}"
            );
        }
    }
    assert_eq!(plain.connections(), 0);
    // And over https, a server that is not the one that was named is sent no header.
    let stranger = Endpoint::tls(&Ca::new(), "127.0.0.1", "h2", welcoming).await;
    let (clock, transport) = (ManualClock::new(), Wire::trusting(&ca.pem));
    let context = CredentialContext::new(Arc::new(transport.clone()), Arc::new(clock.clone()), Cloud::Public);
    let site = format!("https://{}:{}/msi", Ipv4Addr::LOCALHOST, stranger.port);
    let credential = ManagedIdentityCredential::system_assigned().at_app_service(site, "canary-header");
    let credential = credential.into_credential(&context).unwrap();
    let error = asked(&credential, &clock, || transport.waiting() == 0).await.unwrap_err();
    assert_eq!((error.kind(), stranger.requests().len()), (ErrorKind::Transport, 0));
}
