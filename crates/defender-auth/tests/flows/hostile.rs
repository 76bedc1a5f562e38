//! Rules for every flow: hostile endpoints give typed errors or sane values, and an endpoint in trouble is asked again.

use std::{fmt, sync::Arc, time::Duration};

use crate::support::{Folder, all_of, ask, context, form};
use bytes::Bytes;
use defender_auth::{
    ClientSecretCredential, Cloud, CredentialContext, DeviceCodeCredential, Error, ErrorKind, IntoCredential,
    ManagedIdentityCredential, MemoryTokenStore, OnBehalfOfCredential, RefreshToken, RefreshTokenCredential,
    TokenCredential, WorkloadIdentityCredential,
};
use defender_emulator::{Emulator, Fault, Operation};
use defender_transport::{
    Body, Error as WireError, Retry,
    testing::{Capture, ManualClock, Never},
};
use http::{Request, Response};

type Flow = (&'static str, Box<dyn Fn(&CredentialContext) -> (String, Result<Arc<dyn TokenCredential>, Error>)>);

fn flow(
    name: &'static str,
    credential: impl Fn() -> (String, Box<dyn FnOnce(&CredentialContext) -> Connected>) + 'static,
) -> Flow {
    let make = move |context: &CredentialContext| {
        let (shown, connect) = credential();
        (shown, connect(context))
    };
    (name, Box::new(make))
}

type Connected = Result<Arc<dyn TokenCredential>, Error>;

/// `Debug` text of a description, and the call that connects it.
type Described = (String, Box<dyn FnOnce(&CredentialContext) -> Connected>);

fn described(credential: impl IntoCredential + fmt::Debug + 'static) -> Described {
    (format!("{credential:?} {credential:#?}"), Box::new(|context| credential.into_credential(context)))
}

const APPLICATION: fn() -> ClientSecretCredential =
    || ClientSecretCredential::new("contoso.com", "the-client", "canary-s&cr=t+");

/// Every flow that sends a secret, each with a canary in every field that is one.
fn flows(folder: &Folder) -> Vec<Flow> {
    let file = folder.path().join("token");
    std::fs::write(&file, "canary-file").unwrap();
    let store = || MemoryTokenStore::with(RefreshToken::new("canary-refresh"));
    #[cfg_attr(not(feature = "aws-lc-rs"), expect(unused_mut, reason = "nothing signs"))]
    let mut flows = vec![
        flow("secret", || described(APPLICATION())),
        flow("workload", move || described(WorkloadIdentityCredential::new("contoso.com", "the-client", &file))),
        flow("on behalf of", || described(OnBehalfOfCredential::with_secret(APPLICATION(), "canary-user"))),
        flow("refresh", move || {
            let credential = RefreshTokenCredential::new("contoso.com", "the-client", store());
            described(credential.client_secret("canary-secret"))
        }),
        flow("device", || described(DeviceCodeCredential::new("contoso.com", "the-client", |_| {}))),
        flow("device, kept", move || {
            described(DeviceCodeCredential::new("contoso.com", "the-client", |_| {}).store(store()))
        }),
        flow("app service", || {
            let credential = ManagedIdentityCredential::system_assigned();
            described(credential.at_app_service("http://127.0.0.1:1/msi", "canary-header"))
        }),
    ];
    #[cfg(feature = "aws-lc-rs")]
    flows.push(flow("certificate", || {
        let pem = include_str!("keys/pbkdf2.pem");
        let credential = defender_auth::ClientCertificateCredential::new("contoso.com", "the-client", pem);
        described(credential.password("correct horse"))
    }));
    flows
}

type Answer = fn(&str) -> Result<Response<Body>, WireError>;

fn text(status: u16, body: impl Into<String>) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body.into())).unwrap()
}

/// Everything that a request brought, in one text.
fn brought(request: &Request<Bytes>) -> String {
    let headers: Vec<_> = request.headers().values().filter_map(|value| value.to_str().ok()).collect();
    let decoded: Vec<_> = form(request).into_values().collect();
    format!("{} {} {}", headers.join(" "), decoded.join(" "), String::from_utf8_lossy(request.body()))
}

/// A transport that gives a code to a device, and to everything else what `respond` makes of the request.
fn hostile(respond: Answer) -> Capture {
    Capture::with(move |request| {
        if request.uri().path().ends_with("/devicecode") {
            return Ok(text(
                200,
                r#"{"device_code":"canary-device","user_code":"canary-code","verification_uri":"https://x/",
                    "expires_in":900,"interval":300,"message":"canary-code"}"#,
            ));
        }
        respond(&brought(request))
    })
}

#[tokio::test]
async fn suspicious_authority_is_sent_nothing() {
    let folder = Folder::new();
    for authority in [
        "http://login.microsoftonline.com",
        "login.microsoftonline.com",
        "https://login.microsoftonline.com@evil.example",
        "https://login.microsoftonline.com:x@evil.example",
        "https://evil.example#login.microsoftonline.com",
        "https://evil.example?login.microsoftonline.com",
        "https://evil.example\\login.microsoftonline.com",
        "https://",
        "//evil.example",
        "",
    ] {
        for (name, make) in flows(&folder).into_iter().filter(|(name, _)| *name != "app service") {
            let (transport, clock) = (hostile(|_| Ok(text(200, ""))), ManualClock::new());
            let error = make(&context(&transport, &clock).authority(authority)).1.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{name}, {authority}");
            assert!(transport.requests().is_empty() && !all_of(&error).contains("canary"), "{name}, {authority}");
        }
    }
}

#[tokio::test]
async fn silent_endpoint_times_out() {
    let folder = Folder::new();
    for (name, make) in flows(&folder) {
        let clock = ManualClock::new();
        let error = ask(&make(&context(&Never, &clock)).1.unwrap(), &clock).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{name}");
    }
}

#[tokio::test]
async fn extreme_lifetime_is_error_or_clamped() {
    const WEEK: i64 = 7 * 24 * 3_600;
    for (times, expected) in [
        (r#""expires_in":3599"#, Some(3_599)),
        (r#""expires_in":"3599""#, Some(3_599)),
        (r#""expires_in":3599.9"#, Some(3_599)),
        (r#""expires_in":0"#, None),
        (r#""expires_in":0.5"#, None),
        (r#""expires_in":-1"#, None),
        (r#""expires_in":"-1""#, None),
        (r#""expires_in":1000000000000000000"#, Some(WEEK)),
        (r#""expires_in":1e30"#, Some(WEEK)),
        (r#""expires_in":"soon""#, Some(600)),
        (r#""expires_in":[]"#, Some(600)),
        (r#""expires_in":null"#, Some(600)),
        (r#""x":1"#, Some(600)),
        // The clock shows 1767268800. How long it is counts before when it ends.
        (r#""expires_on":1767272400"#, Some(3_600)),
        (r#""expires_on":"1767272400""#, Some(3_600)),
        (r#""expires_on":"2026-01-01T13:00:00Z""#, Some(3_600)),
        (r#""expires_on":"2026-01-01 13:00:00""#, Some(3_600)),
        (r#""expires_on":"01/01/2026 13:00:00""#, Some(3_600)),
        (r#""expires_on":"1767272400","expires_in":"60""#, Some(60)),
        (r#""expires_on":"1767268800""#, None),
        (r#""expires_on":1"#, None),
    ] {
        let body = format!(r#"{{"token_type":"bearer",{times},"access_token":"t"}}"#);
        let (transport, clock) = (Capture::answering(Response::new(body)), ManualClock::new());
        let credential = APPLICATION().into_credential(&context(&transport, &clock)).unwrap();
        let left = ask(&credential, &clock)
            .await
            .map(|token| token.expires_on().duration_since(defender_transport::Clock::now(&clock)).as_secs());
        assert_eq!(left.as_ref().ok(), expected.as_ref(), "{times}");
        assert!(left.is_ok() || left.is_err_and(|error| error.kind() == ErrorKind::Response));
    }
}

#[tokio::test]
async fn unusable_token_is_refused_on_arrival() {
    for (kind, token, is_fine) in [
        ("\"Bearer\"", "\"t\"", true),
        ("\"BEARER\"", "\"eyJ0.e30._-~+/=\"", true),
        ("\"pop\"", "\"t\"", false),
        ("\"\"", "\"t\"", false),
        ("null", "\"t\"", false),
        ("7", "\"t\"", false),
        ("\"Bearer\"", "\"\"", false),
        ("\"Bearer\"", "\" \"", false),
        ("\"Bearer\"", "\"a b\"", false),
        ("\"Bearer\"", "\"a\\r\\nX-Evil: b\"", false),
        ("\"Bearer\"", "\"a\\u0000\"", false),
        ("\"Bearer\"", "\"a\\t\"", false),
        ("\"Bearer\"", "\"\u{e9}\"", false),
        ("\"Bearer\"", "null", false),
        ("\"Bearer\"", "{}", false),
    ] {
        let body =
            format!(r#"{{"token_type":{kind},"expires_in":60,"expires_on":"1767272400","access_token":{token}}}"#);
        let clock = ManualClock::new();
        let context = context(&Capture::answering(Response::new(body)), &clock);
        let host = ManagedIdentityCredential::system_assigned().at_imds("http://127.0.0.1:1");
        for credential in [APPLICATION().into_credential(&context), host.into_credential(&context)] {
            let outcome = ask(&credential.unwrap(), &clock).await;
            // The host of a managed identity may leave the type out.
            let is_fine = is_fine || (kind == "null" && outcome.is_ok());
            assert_eq!(outcome.is_ok(), is_fine, "{kind} {token}");
            assert!(
                outcome.is_ok() || outcome.is_err_and(|error| error.kind() == ErrorKind::Response),
                "{kind} {token}"
            );
        }
    }
}

#[tokio::test]
async fn dripping_response_times_out_after_a_minute() {
    let clock = ManualClock::new();
    let emulator = Emulator::builder().clock(Arc::new(clock.clone())).in_process().unwrap();
    emulator.fault(Fault::SlowBytes(Duration::from_secs(1))).on(Operation::Token);
    let context = CredentialContext::new(Arc::new(emulator.transport()), Arc::new(clock.clone()), Cloud::Public)
        .authority(emulator.authority())
        .retry(Retry::once());
    let (tenant, client, secret) = (emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
    let credential = ClientSecretCredential::new(tenant, client, secret).into_credential(&context).unwrap();
    let error = ask(&credential, &clock).await.unwrap_err();
    assert_eq!((error.kind(), defender_transport::Clock::elapsed(&clock).as_secs()), (ErrorKind::Transport, 60));
}

/// A token endpoint that is in trouble, and one that is not any more.
#[tokio::test]
async fn transient_errors_are_retried_others_final() {
    let after = |first: fn() -> Result<Response<Body>, WireError>| {
        let transport = Capture::with(move |_| first());
        async move {
            let clock = ManualClock::new();
            let credential = APPLICATION().into_credential(&context(&transport, &clock)).unwrap();
            let error = ask(&credential, &clock).await.unwrap_err();
            (transport.requests().len(), error)
        }
    };
    for first in [
        (|| Ok(text(429, "Too Many Requests"))) as fn() -> _,
        || Ok(text(500, "<html>")),
        || Ok(text(503, r#"{"error":"temporarily_unavailable"}"#)),
        || Ok(text(400, r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033"}"#)),
        || Err(WireError::new(defender_transport::ErrorKind::Connect)),
        || Err(WireError::new(defender_transport::ErrorKind::Interrupted)),
    ] {
        let (asked, error) = after(first).await;
        assert!(asked == 5 && error.is_retryable(), "{asked}: {error:?}");
    }
    for first in [
        (|| Ok(text(400, r#"{"error":"invalid_grant"}"#))) as fn() -> _,
        || Ok(text(401, r#"{"error":"invalid_client"}"#)),
        || Ok(text(302, "")),
        || Ok(text(404, "<html>")),
        || Ok(text(200, "<html>")),
        || Err(WireError::new(defender_transport::ErrorKind::Request)),
    ] {
        let (asked, error) = after(first).await;
        assert!(asked == 1 && !error.is_retryable(), "{asked}: {error:?}");
    }
}

#[tokio::test]
async fn retry_follows_retry_after() {
    let told = std::sync::atomic::AtomicBool::new(false);
    let transport = Capture::with(move |_| {
        let again = told.swap(true, std::sync::atomic::Ordering::Relaxed);
        if again {
            return Ok(text(200, crate::support::TOKEN));
        }
        Ok(Response::builder().status(429).header("retry-after", "60").body(Body::from("busy")).unwrap())
    });
    let clock = ManualClock::new();
    let credential = APPLICATION().into_credential(&context(&transport, &clock)).unwrap();
    ask(&credential, &clock).await.unwrap();
    assert_eq!(defender_transport::Clock::elapsed(&clock).as_secs(), 60);

    let hour = Capture::with(|_| {
        Ok(Response::builder().status(429).header("retry-after", "3600").body(Body::empty()).unwrap())
    });
    let credential = APPLICATION().into_credential(&context(&hour, &clock)).unwrap();
    let error = ask(&credential, &clock).await.unwrap_err();
    assert_eq!((error.retry_after().unwrap().as_secs(), error.status(), hour.requests().len()), (3_600, Some(429), 1));
}
