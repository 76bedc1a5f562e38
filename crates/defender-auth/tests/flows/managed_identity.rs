//! An identity that Azure gives, from the metadata service and from App Service.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use defender_auth::{ErrorKind, IntoCredential, ManagedIdentityCredential, ManagedIdentityId};
use defender_transport::{
    Body, Clock, Error as WireError, ErrorKind as WireKind,
    testing::{Capture, ManualClock, Never},
};
use http::Response;

use crate::support::{TOKEN, all_of, answering, ask, connected, context, parameters};

/// As the documentation shows it, for a clock of noon of 1 January 2026.
const OF_IMDS: &str = r#"{"access_token":"the-token","refresh_token":"","expires_in":"86399","expires_on":"1767355199",
    "not_before":"1767268799","resource":"https://api.securitycenter.microsoft.com","token_type":"Bearer"}"#;
const OF_APP_SERVICE: &str = r#"{"access_token":"the-token","expires_on":"1767272400","client_id":"c",
    "resource":"https://api.securitycenter.microsoft.com","token_type":"Bearer"}"#;
const IMDS: &str = "http://169.254.169.254";
const SITE: &str = "http://127.0.0.1:41741/msi/token";

fn ids() -> [ManagedIdentityId; 3] {
    let [client, object, resource] = ["c&c", "o", "/subscriptions/x"].map(str::to_owned);
    [ManagedIdentityId::ClientId(client), ManagedIdentityId::ObjectId(object), ManagedIdentityId::ResourceId(resource)]
}

#[tokio::test]
async fn the_metadata_service_is_asked_as_documented() {
    let selectors = [("client_id", "c&c"), ("object_id", "o"), ("msi_res_id", "/subscriptions/x")];
    let user = ids().map(ManagedIdentityCredential::user_assigned);
    let system = (ManagedIdentityCredential::system_assigned(), None);
    for (credential, selector) in user.into_iter().zip(selectors.map(Some)).chain([system]) {
        let (transport, clock) = (answering(200, OF_IMDS), ManualClock::new());
        let token = ask(&connected(credential.at_imds(IMDS), &transport, &clock), &clock).await.unwrap();
        assert_eq!(token.secret(), "the-token");
        assert_eq!(token.expires_on().as_second(), 1_767_355_199);
        let request = transport.only_request();
        assert_eq!(request.method(), http::Method::GET);
        assert_eq!(request.headers()["metadata"], "true");
        let (url, query) =
            request.uri().to_string().split_once('?').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(url, "http://169.254.169.254/metadata/identity/oauth2/token");
        let mut query = parameters(&query);
        assert_eq!(query.remove("api-version").unwrap(), "2018-02-01");
        assert_eq!(query.remove("resource").unwrap(), "https://api.securitycenter.microsoft.com");
        let rest: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(rest, Vec::from_iter(selector));
    }
}

#[tokio::test]
async fn app_service_is_asked_as_documented() {
    let selectors = ["client_id=c%26c", "principal_id=o", "mi_res_id=%2Fsubscriptions%2Fx"];
    for (id, selector) in ids().into_iter().zip(selectors) {
        let (transport, clock) = (answering(200, OF_APP_SERVICE), ManualClock::new());
        let credential = ManagedIdentityCredential::user_assigned(id).at_app_service(SITE, "the-header");
        let token = ask(&connected(credential, &transport, &clock), &clock).await.unwrap();
        assert_eq!(token.expires_on().duration_since(clock.now()).as_secs(), 3_600);
        let request = transport.only_request();
        assert!(request.uri().to_string().starts_with(SITE) && request.uri().to_string().ends_with(selector));
        assert_eq!(parameters(request.uri().query().unwrap())["api-version"], "2019-08-01");
        let header = &request.headers()["x-identity-header"];
        assert!(header == "the-header" && header.is_sensitive() && !request.headers().contains_key("metadata"));
    }
}

/// Number of requests, their duration, and the kind of the error.
async fn course(status: u16, at_app_service: bool) -> (usize, u64, ErrorKind) {
    let (transport, clock) = (answering(status, "{}"), ManualClock::new());
    let credential = ManagedIdentityCredential::system_assigned();
    let credential = if at_app_service { credential.at_app_service(SITE, "h") } else { credential.at_imds(IMDS) };
    let error = ask(&connected(credential, &transport, &clock), &clock).await.unwrap_err();
    (transport.requests().len(), clock.elapsed().as_secs(), error.kind())
}

#[tokio::test]
async fn transient_identity_errors_are_retried_others_final() {
    for status in [404, 410, 429, 500, 503, 504] {
        assert_eq!(course(status, false).await, (6, 72, ErrorKind::Response), "{status}");
    }
    for status in [408, 429, 500, 502, 503, 504] {
        assert_eq!(course(status, true).await, (3, 2, ErrorKind::Response), "{status}");
    }
    for status in [302, 400, 401, 403] {
        assert_eq!(course(status, false).await, (1, 0, ErrorKind::Response), "{status}");
        assert_eq!(course(status, true).await, (1, 0, ErrorKind::Response), "{status}");
    }
}

#[tokio::test]
async fn absent_metadata_service_is_told_at_once() {
    let errors: [fn() -> WireError; 3] = [
        || WireError::new(WireKind::Connect),
        || WireError::new(WireKind::Connect).context("no way leads there"),
        || WireError::new(WireKind::Connect).permanent(),
    ];
    for error in errors {
        let clock = ManualClock::new();
        let transport = Capture::with(move |_| Err(error()));
        for credential in [
            ManagedIdentityCredential::system_assigned().at_imds(IMDS),
            ManagedIdentityCredential::system_assigned().at_app_service(SITE, "h"),
        ] {
            let before = transport.requests().len();
            let error = ask(&connected(credential, &transport, &clock), &clock).await.unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Transport, false));
            assert_eq!((transport.requests().len() - before, clock.elapsed()), (1, Duration::ZERO));
            assert!(error.to_string().contains("choose another credential"), "{error}");
        }
    }
}

#[tokio::test]
async fn silent_metadata_service_is_given_up_soon() {
    let clock = ManualClock::new();
    let credential = connected(ManagedIdentityCredential::system_assigned().at_imds(IMDS), &Never, &clock);
    for _ in 0..2 {
        let before = clock.elapsed();
        assert_eq!(ask(&credential, &clock).await.unwrap_err().kind(), ErrorKind::Transport);
        let took = clock.elapsed().saturating_sub(before);
        assert!(took <= Duration::from_secs(22), "{took:?}");
    }
}

#[tokio::test]
async fn known_metadata_service_is_waited_for() {
    let clock = ManualClock::new();
    let first = AtomicUsize::new(0);
    let transport = Capture::with(move |_| match first.fetch_add(1, Ordering::Relaxed) {
        1..=5 => Err(WireError::new(WireKind::Connect)),
        _ => Ok(Response::new(Body::from(OF_IMDS))),
    });
    let credential = connected(ManagedIdentityCredential::system_assigned().at_imds(IMDS), &transport, &clock);
    ask(&credential, &clock).await.unwrap();
    clock.advance(Duration::from_secs(30 * 3_600));
    let before = clock.elapsed();
    // The clock is past the token that the mock gives again, so that only the attempts are looked at.
    assert_eq!(ask(&credential, &clock).await.unwrap_err().kind(), ErrorKind::Response);
    assert_eq!((transport.requests().len(), clock.elapsed().saturating_sub(before)), (7, Duration::from_secs(72)));
}

#[tokio::test]
async fn transport_without_plain_http_gets_advice() {
    let transport = Capture::with(|_| Err(WireError::new(WireKind::Request)));
    let clock = ManualClock::new();
    let credential = connected(ManagedIdentityCredential::system_assigned().at_imds(IMDS), &transport, &clock);
    let error = ask(&credential, &clock).await.unwrap_err();
    assert!(error.to_string().contains("transport of its own"), "{error}");
    assert_eq!(transport.requests().len(), 1);
}

#[tokio::test]
async fn identity_requests_use_their_own_transport() {
    let (proxied, direct, clock) = (answering(200, TOKEN), answering(200, OF_IMDS), ManualClock::new());
    let context = context(&proxied, &clock).managed_identity_transport(std::sync::Arc::new(direct.clone()));
    let credential = ManagedIdentityCredential::system_assigned().at_imds(IMDS).into_credential(&context).unwrap();
    ask(&credential, &clock).await.unwrap();
    assert_eq!((proxied.requests().len(), direct.requests().len()), (0, 1));
}

#[tokio::test]
async fn long_token_is_replaced_at_half_life() {
    let (transport, clock) = (answering(200, OF_IMDS), ManualClock::new());
    let credential = connected(ManagedIdentityCredential::system_assigned().at_imds(IMDS), &transport, &clock);
    for asked in [1, 1, 2] {
        ask(&credential, &clock).await.unwrap();
        assert_eq!(transport.requests().len(), asked);
        clock.advance(Duration::from_secs(6 * 3_600));
    }
}

#[tokio::test]
async fn identity_error_does_not_show_header() {
    for (body, words) in [
        (r#"{"error":"invalid_request","error_description":"Identity not found, the-header"}"#, "Identity not found"),
        (r#"{"statusCode":400,"message":"No identity the-header","correlationId":"x"}"#, "No identity"),
        ("the-header", "assigned to this machine"),
    ] {
        let clock = ManualClock::new();
        let credential = ManagedIdentityCredential::system_assigned().at_app_service(SITE, "the-header");
        let shown = format!("{credential:?} {credential:#?}");
        let error = ask(&connected(credential, &answering(400, body), &clock), &clock).await.unwrap_err();
        let shown = format!("{shown} {}", all_of(&error));
        assert!(shown.contains(words) && !shown.contains("the-header"), "{shown}");
    }
}

#[test]
fn remote_endpoint_gets_nothing_over_http() {
    let transport = Capture::with(|_| Ok(Response::new(Body::from(OF_IMDS))));
    let context = context(&transport, &ManualClock::new());
    let here = ManagedIdentityCredential::system_assigned;
    for credential in [
        here().at_imds("http://evil.example"),
        here().at_app_service("http://10.1.2.3/msi", "the-header"),
        here().at_app_service("no url", "the-header"),
        here().at_app_service(SITE, "the\nheader"),
        ManagedIdentityCredential::user_assigned(ManagedIdentityId::ObjectId(" ".to_owned())).at_imds(IMDS),
    ] {
        let error = credential.into_credential(&context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(!all_of(&error).contains("header\n"));
    }
    assert!(transport.requests().is_empty());
}
