//! What holds for every flow: no secret is shown, none goes astray, and hostile endpoints give typed errors.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use defender_auth::{
    ClientSecretCredential, Connect, Context, DeviceCodeCredential, Error, ErrorKind, ManagedIdentityCredential,
    MemoryTokenStore, OnBehalfOfCredential, RefreshToken, RefreshTokenCredential, TokenCredential,
    WorkloadIdentityCredential,
};
use defender_transport::{
    Body, Error as WireError, ErrorKind as WireKind, Transport, TransportExt,
    testing::{Capture, ManualClock, Never},
};
use http::{Request, Response};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::support::{Folder, all_of, ask, context, form};

type Flow = (&'static str, Box<dyn Fn(&Context) -> (String, Result<Arc<dyn TokenCredential>, Error>)>);

fn flow(
    name: &'static str,
    credential: impl Fn() -> (String, Box<dyn FnOnce(&Context) -> Connected>) + 'static,
) -> Flow {
    let make = move |context: &Context| {
        let (shown, connect) = credential();
        (shown, connect(context))
    };
    (name, Box::new(make))
}

type Connected = Result<Arc<dyn TokenCredential>, Error>;

/// What a description shows of itself, and how it is connected.
type Described = (String, Box<dyn FnOnce(&Context) -> Connected>);

fn described(credential: impl Connect + fmt::Debug + 'static) -> Described {
    (format!("{credential:?} {credential:#?}"), Box::new(|context| credential.connect(context)))
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

fn json(status: u16, echo: &str, template: &str) -> Response<Body> {
    let quoted = serde_json::to_string(echo).unwrap();
    Response::builder().status(status).body(Body::from(template.replace('@', &quoted))).unwrap()
}

fn text(status: u16, body: impl Into<String>) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body.into())).unwrap()
}

const ECHOED_TYPE: &str = "a type that is an echo";

/// Every way in which an endpoint fails, echoing what it was sent wherever it can.
const FAILURES: &[(&str, Answer)] = &[
    ("every field of an error", |echo| {
        Ok(json(
            400,
            echo,
            r#"{"error":@,"error_description":@,"suberror":@,"trace_id":@,"correlation_id":@,"claims":@}"#,
        ))
    }),
    ("a 401", |echo| Ok(json(401, echo, r#"{"error":"invalid_client","error_description":@}"#))),
    ("an error with 200", |echo| Ok(json(200, echo, r#"{"error":"invalid_client","error_description":@}"#))),
    ("an error of App Service's", |echo| Ok(json(400, echo, r#"{"statusCode":400,"message":@}"#))),
    ("plain text with 429", |echo| Ok(text(429, echo))),
    ("plain text with 500", |echo| Ok(text(500, echo))),
    ("HTML with 200", |echo| Ok(text(200, format!("<html>{echo}</html>")))),
    ("a token of the wrong type", |echo| Ok(json(200, echo, r#"{"access_token":[@],"token_type":@,"expires_in":@}"#))),
    ("a name that is an echo", |echo| Ok(json(200, echo, "{@:{@:1}}"))),
    ("an empty token", |echo| Ok(json(200, echo, r#"{"access_token":"","token_type":"Bearer","expires_in":9,"x":@}"#))),
    ("a token that has ended", |echo| {
        Ok(json(200, echo, r#"{"access_token":@,"token_type":"Bearer","expires_in":0,"expires_on":"1"}"#))
    }),
    ("nothing with 200", |_| Ok(text(200, ""))),
    (ECHOED_TYPE, |echo| {
        let kind = echo.replace(|c: char| c.is_control(), "");
        Ok(Response::builder().header("content-type", kind).body(Body::from("{}")).unwrap())
    }),
    ("a redirect", |echo| {
        let location = format!("https://evil.example/?{}", echo.replace(|c: char| c.is_control(), ""));
        Ok(Response::builder().status(307).header("location", location).body(Body::empty()).unwrap())
    }),
    ("too much", |echo| Ok(text(200, echo.repeat(1 + (1 << 20) / echo.len())))),
    ("no connection", |_| Err(WireError::new(WireKind::Connect))),
    ("a broken connection", |_| Err(WireError::new(WireKind::Interrupted))),
];

/// Everything that a request brought, in one text.
fn brought(request: &Request<Bytes>) -> String {
    let headers: Vec<_> = request.headers().values().filter_map(|value| value.to_str().ok()).collect();
    let decoded: Vec<_> = form(request).into_values().collect();
    format!("{} {} {}", headers.join(" "), decoded.join(" "), String::from_utf8_lossy(request.body()))
}

/// A wire that gives a code to a device, and to everything else `answer` of what was brought.
fn hostile(answer: Answer) -> Capture {
    Capture::with(move |request| {
        if request.uri().path().ends_with("/devicecode") {
            return Ok(text(
                200,
                r#"{"device_code":"canary-device","user_code":"canary-code","verification_uri":"https://x/",
                    "expires_in":900,"interval":300,"message":"canary-code"}"#,
            ));
        }
        answer(&brought(request))
    })
}

/// A wire that shows nothing of itself, as one that is shipped; the test kit's show what they were fed.
struct Quiet(Capture);

impl fmt::Debug for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quiet")
    }
}

#[async_trait::async_trait]
impl Transport for Quiet {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, WireError> {
        self.0.send(request).await
    }
}

fn traced(wire: &Capture, clock: &ManualClock) -> Arc<dyn Transport> {
    Quiet(wire.clone()).traced(clock.clone()).shared()
}

/// What must not be seen: the canaries, and what was signed for the occasion.
fn secrets(wire: &Capture) -> Vec<String> {
    let signed = wire.requests().iter().filter_map(|request| form(request).remove("client_assertion")).collect();
    let mut secrets: Vec<String> = signed;
    secrets.extend(["canary", "correct horse", "s%26cr"].map(str::to_owned));
    secrets
}

#[tokio::test]
async fn no_secret_is_shown_whatever_happens() {
    let folder = Folder::new();
    for (name, make) in flows(&folder) {
        for (failure, answer) in FAILURES {
            let (wire, clock, events) = (hostile(*answer), ManualClock::new(), Events::default());
            let traced = traced(&wire, &clock);
            let (shown, credential) = make(&context(&traced, &clock));
            let credential = credential.unwrap();
            let outcome = {
                let _recording = tracing::subscriber::set_default(events.clone());
                ask(&credential, &clock).await
            };
            let error = outcome.expect_err(&format!("{name}, {failure}"));
            assert!(!events.all().is_empty(), "nothing was traced");
            // The trace of an answer has its content type, which is the endpoint's own word and not ours.
            let traced = if *failure == ECHOED_TYPE { String::new() } else { events.all() };
            let all = format!("{shown} {credential:?} {credential:#?} {} {traced}", all_of(&error));
            for secret in secrets(&wire) {
                assert!(!all.contains(&secret), "{name}, {failure}: {secret} in {all}");
            }
            assert!(wire.requests().iter().any(|request| secrets(&wire).iter().any(|s| brought(request).contains(s))));
        }
    }
}

#[tokio::test]
async fn no_secret_is_shown_when_all_is_well() {
    const GRANTED: &str = r#"{"token_type":"Bearer","expires_in":3599,"expires_on":"1767272400","access_token":"canary",
        "refresh_token":"canary-rotated"}"#;
    let folder = Folder::new();
    for (name, make) in flows(&folder) {
        let (wire, clock, events) = (hostile(|_| Ok(text(200, GRANTED))), ManualClock::new(), Events::default());
        let traced = traced(&wire, &clock);
        let (_, credential) = make(&context(&traced, &clock));
        let credential = credential.unwrap();
        let _recording = tracing::subscriber::set_default(events.clone());
        let token = ask(&credential, &clock).await.unwrap();
        let all = format!("{token:?} {token:#?} {credential:?} {credential:#?} {}", events.all());
        for secret in secrets(&wire) {
            assert!(!all.contains(&secret), "{name}: {secret} in {all}");
        }
    }
}

#[tokio::test]
async fn no_secret_goes_where_an_answer_points() {
    let folder = Folder::new();
    let (_, redirect) = FAILURES.iter().find(|(name, _)| *name == "a redirect").unwrap();
    for (name, make) in flows(&folder) {
        let (wire, clock) = (hostile(*redirect), ManualClock::new());
        let error = ask(&make(&context(&wire, &clock)).1.unwrap(), &clock).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Response, "{name}");
        for request in wire.requests() {
            let host = request.uri().host().unwrap();
            assert!(["login.microsoftonline.com", "127.0.0.1"].contains(&host), "{name}: {host}");
        }
    }
}

#[tokio::test]
async fn an_authority_that_is_not_https_or_not_what_it_looks_like_gets_nothing() {
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
            let (wire, clock) = (hostile(|_| Ok(text(200, ""))), ManualClock::new());
            let error = make(&context(&wire, &clock).authority(authority)).1.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{name}, {authority}");
            assert!(wire.requests().is_empty() && !all_of(&error).contains("canary"), "{name}, {authority}");
        }
    }
}

#[tokio::test]
async fn a_silent_endpoint_is_given_up() {
    let folder = Folder::new();
    for (name, make) in flows(&folder) {
        let clock = ManualClock::new();
        let error = ask(&make(&context(&Never, &clock)).1.unwrap(), &clock).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{name}");
    }
}

#[tokio::test]
async fn lifetimes_beyond_reason_are_errors_or_brought_within_it() {
    const WEEK: i64 = 7 * 24 * 3_600;
    for (expires_in, expected) in [
        ("\"3599\"", Some(3_599)),
        ("0", None),
        ("-1", None),
        ("\"-1\"", None),
        ("1000000000000000000", Some(WEEK)),
        ("1e30", Some(WEEK)),
        ("\"soon\"", Some(600)),
        ("[]", Some(600)),
    ] {
        let body = format!(r#"{{"token_type":"bearer","expires_in":{expires_in},"access_token":"t"}}"#);
        let (wire, clock) = (Capture::answering(Response::new(body)), ManualClock::new());
        let credential = APPLICATION().connect(&context(&wire, &clock)).unwrap();
        let left = ask(&credential, &clock)
            .await
            .map(|token| token.expires_on().duration_since(defender_transport::Clock::now(&clock)).as_secs());
        assert_eq!(left.ok(), expected, "{expires_in}");
    }
}

/// Keeps every span and event, of every level.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<String>>);

impl Events {
    fn all(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Events {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Events {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
