//! Error kind of each failure: whether the request was sent, whether it may be retried, and the service's message.

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use defender_actions::{
    DefenderClient, Error, ErrorKind,
    auth::{ClientSecretCredential, StaticCredential},
    model::Code,
    transport::{
        Body, Error as TransportError, ErrorKind as Broken,
        testing::{ManualClock, MockTransport},
    },
};
use http::{Request, Response};

type Outcome = Result<Response<Body>, TransportError>;

/// Transport with one response for each POST, which refuses every list: no lost response can be searched for.
fn client(
    respond: impl Fn(Request<Bytes>) -> Outcome + Send + Sync + 'static,
    attempts: RangeInclusive<usize>,
) -> (DefenderClient, ManualClock) {
    let mut transport = MockTransport::new();
    let is_list = |request: &Request<Bytes>| request.uri().path() == "/api/machineactions";
    transport.expect_send().withf(move |request| !is_list(request)).times(attempts).returning(respond);
    transport.expect_send().withf(is_list).returning(status(403));
    let clock = ManualClock::new();
    let builder = DefenderClient::builder().credential(StaticCredential::new("canary")).transport(transport);
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

/// Returns the error of an action. Only requests that were certainly not processed are sent more than once.
async fn posting(respond: impl Fn(Request<Bytes>) -> Outcome + Send + Sync + 'static) -> Error {
    posting_up_to(1, respond).await
}

async fn posting_up_to(attempts: usize, respond: impl Fn(Request<Bytes>) -> Outcome + Send + Sync + 'static) -> Error {
    let (client, clock) = client(respond, attempts..=attempts);
    let error = clock.run(client.machine("m".parse().unwrap()).unrestrict_code_execution("Cleaned").send()).await;
    let error = error.unwrap_err();
    assert!(error.attempts() == u32::try_from(attempts).unwrap() || error.kind() == ErrorKind::Unauthorized);
    error
}

async fn getting(respond: impl Fn(Request<Bytes>) -> Outcome + Send + Sync + 'static) -> Error {
    let (client, clock) = client(respond, 1..=5);
    clock.run(client.action("a".parse().unwrap()).get().send()).await.unwrap_err()
}

fn status(status: u16) -> impl Fn(Request<Bytes>) -> Outcome + Send + Sync + 'static {
    move |_| Ok(Response::builder().status(status).body(Body::empty()).unwrap())
}

/// Body that breaks off after its first bytes.
fn broken() -> Body {
    use defender_actions::transport::Error;
    struct Breaking(bool);
    impl http_body::Body for Breaking {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Error>>> {
            let first = std::mem::take(&mut self.0);
            std::task::Poll::Ready(Some(if first {
                Ok(http_body::Frame::data(Bytes::from_static(b"{\"id\":")))
            } else {
                Err(Error::new(Broken::Interrupted))
            }))
        }
    }
    Body::new(Breaking(true))
}

#[tokio::test]
async fn status_maps_to_error_kind() {
    use ErrorKind as K;
    for (code, post, get) in [
        (400, K::Refused, K::Refused),
        (401, K::Unauthorized, K::Unauthorized),
        (403, K::Forbidden, K::Forbidden),
        (404, K::NotFound, K::NotFound),
        (408, K::OutcomeUnknown, K::Unavailable),
        (409, K::Refused, K::Refused),
        (410, K::Retired, K::Retired),
        (500, K::OutcomeUnknown, K::Unavailable),
        (502, K::OutcomeUnknown, K::Unavailable),
        (504, K::OutcomeUnknown, K::Unavailable),
        (599, K::OutcomeUnknown, K::Unavailable),
    ] {
        // The token is replaced once.
        let attempts = if code == 401 { 2 } else { 1 };
        for (error, kind) in [(posting_up_to(attempts, status(code)).await, post), (getting(status(code)).await, get)] {
            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(error.status(), Some(code));
            assert!(!error.never_sent(), "{code}");
            assert_eq!(error.is_retryable(), kind == K::Unavailable, "{code}");
        }
    }
}

#[tokio::test]
async fn lost_response_is_unknown_unless_unsent() {
    use ErrorKind as K;
    for (broke, post, get) in [
        (Broken::Connect, K::ConnectFailed, K::ConnectFailed),
        (Broken::Timeout, K::OutcomeUnknown, K::Interrupted),
        (Broken::Interrupted, K::OutcomeUnknown, K::Interrupted),
    ] {
        let respond = move |_: Request<Bytes>| Err(TransportError::new(broke));
        let attempts = if broke == Broken::Connect { 5 } else { 1 };
        for (error, kind) in [(posting_up_to(attempts, respond).await, post), (getting(respond).await, get)] {
            assert_eq!(error.kind(), kind, "{broke:?}");
            assert_eq!(error.never_sent(), kind == K::ConnectFailed);
            assert_eq!(error.is_retryable(), kind != K::OutcomeUnknown);
            assert_eq!(error.cause().unwrap().to_string(), TransportError::new(broke).to_string());
        }
    }
    let cancelled = |_: Request<Bytes>| Err(TransportError::new(Broken::Interrupted).not_sent());
    assert_eq!(posting_up_to(5, cancelled).await.kind(), K::ConnectFailed);
}

#[tokio::test]
async fn unreadable_acceptance_is_invalid_response() {
    let garbage = |_: Request<Bytes>| {
        Ok(Response::builder().status(201).header("odata-version", "4.0").body(Body::from("<html>")).unwrap())
    };
    let without_id = |_: Request<Bytes>| Ok(Response::builder().status(201).body(Body::from("{}")).unwrap());
    let breaking = |_: Request<Bytes>| Ok(Response::builder().status(201).body(broken()).unwrap());
    for error in [posting(garbage).await, posting(without_id).await, posting(breaking).await] {
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(!error.never_sent() && !error.is_retryable());
        assert_eq!(error.status(), Some(201));
    }
    assert_eq!(posting(garbage).await.problem().unwrap().raw(), b"<html>");
    assert!(getting(garbage).await.is_retryable());
}

#[tokio::test]
async fn throttled_call_reports_retry_after() {
    let error = posting_up_to(5, |_| {
        Ok(Response::builder().status(429).header("retry-after", "2").body(Body::from("later")).unwrap())
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(error.is_retryable() && !error.never_sent());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    assert_eq!(error.problem().unwrap().message(), Some("later"));
}

#[tokio::test]
async fn queued_call_times_out_unsent() {
    let (client, clock) =
        client(|_| Ok(Response::builder().status(201).body(Body::from(r#"{"id":"a"}"#)).unwrap()), 1..=1500);
    let machine = client.machine("m".parse().unwrap());
    let mut responses = 0;
    let error = loop {
        match clock.run(machine.restrict_code_execution("x").send()).await {
            Ok(_) => responses += 1,
            Err(error) if error.kind() == ErrorKind::Throttled => break error,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "each response has the same id"),
        }
    };
    assert!(responses >= 1);
    assert!(error.never_sent() && error.is_retryable());
    assert!(error.retry_after().unwrap() > Duration::from_secs(1_800), "{:?}", error.retry_after());
}

#[tokio::test]
async fn truncated_refusal_keeps_its_status() {
    let own = |_| Ok(Response::builder().status(403).header("odata-version", "4.0").body(broken()).unwrap());
    let error = posting(own).await;
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.cause().is_some());
    // A gateway may have written the refusal after the service accepted the action.
    let error = posting(|_| Ok(Response::builder().status(403).body(broken()).unwrap())).await;
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn record_of_other_action_is_rejected() {
    let error = getting(|_| Ok(Response::new(Body::from(r#"{"id":"b","status":"Succeeded"}"#)))).await;
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(error.cause().unwrap().to_string().contains("about action b"));
}

#[tokio::test]
async fn error_keeps_the_service_response() {
    let body = r#"{"error":{"code":"ResourceNotFound","message":"Machine m was not found","target":"43f4cb08"}}"#;
    let error = posting(move |_| {
        Ok(Response::builder().status(404).header("mise-correlation-id", "c0ffee").body(Body::from(body)).unwrap())
    })
    .await;
    assert!(error.is_not_found());
    assert_eq!(error.code(), Some(&Code::ResourceNotFound));
    assert_eq!(error.target(), Some("43f4cb08"));
    assert_eq!(error.request_id(), Some("c0ffee"));
    assert_eq!(error.problem().unwrap().raw(), body.as_bytes());
    assert_eq!(
        error.to_string(),
        "POST /machines/m/unrestrictCodeExecution: not found (status 404): ResourceNotFound: Machine m was not found \
         (target 43f4cb08); check the machine's id and the tenant; to find a machine by its name, use `machines().find(..)`; \
         `m` does not look like the id of a machine, which has 40 hexadecimal digits as a rule \
         [not-found]"
    );
}

#[tokio::test]
async fn name_in_place_of_id_is_noticed() {
    const HINT: &str = "does not look like the id of a machine";
    let refused = async |machine: &str, status: u16, code: &str| {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"x"}}}}"#);
        let respond = move |_| Ok(Response::builder().status(status).body(Body::from(body.clone())).unwrap());
        let (client, clock) = client(respond, 1..=1);
        let outcome = clock.run(client.machine(machine.parse().unwrap()).isolate("c")).await;
        outcome.unwrap_err().to_string()
    };
    let id = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
    for (status, code) in [(404, "ResourceNotFound"), (400, "BadRequest"), (400, "InvalidInput"), (400, "")] {
        let line = refused("ws-eng-04", status, code).await;
        assert!(line.contains(HINT) && line.contains("use `machines().find(..)`"), "{line}");
        let line = refused(id, status, code).await;
        assert!(!line.contains(HINT), "{line}");
    }
    // Another reason is named.
    for (status, code) in [(400, "OsPlatformNotSupported"), (403, "Forbidden")] {
        let line = refused("ws-eng-04", status, code).await;
        assert!(!line.contains(HINT), "{line}");
    }
}

#[tokio::test]
async fn already_in_progress_is_recognized() {
    for body in [
        r#"{"error":{"code":"ActiveRequestAlreadyExists","message":"x"}}"#,
        r#"{"error":{"code":"BadRequest","message":"Action is already in progress"}}"#,
    ] {
        let error = posting(move |_| Ok(Response::builder().status(400).body(Body::from(body)).unwrap())).await;
        assert_eq!(error.kind(), ErrorKind::AlreadyInProgress);
    }
}

#[tokio::test]
async fn failed_sign_in_sends_nothing() {
    let refusal = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}"#;
    let mut transport = MockTransport::new();
    transport
        .expect_send()
        .withf(|request| request.uri().path().ends_with("/token"))
        .times(1)
        .returning(move |_| Ok(Response::builder().status(401).body(Body::from(refusal)).unwrap()));
    let defender = DefenderClient::builder()
        .credential(ClientSecretCredential::new("contoso.com", "app", "canary"))
        .transport(transport)
        .build()
        .unwrap();
    let error = defender.machine("m".parse().unwrap()).unrestrict_code_execution("Cleaned").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert!(error.never_sent() && !error.is_retryable());
    let source = error.cause().unwrap().downcast_ref::<defender_actions::auth::Error>().unwrap();
    assert_eq!(source.entra().unwrap().aadsts(), Some(7_000_215));
    assert!(!format!("{error:?} {error} {source}").contains("canary"));
}

#[test]
fn builder_requires_a_credential() {
    let error = DefenderClient::builder().transport(MockTransport::new()).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains(".credential("), "{error}");
}

/// Transport that never responds to the POST.
#[derive(Clone, Debug, Default)]
struct Silent(std::sync::Arc<std::sync::Mutex<Vec<Request<Bytes>>>>);

#[async_trait::async_trait]
impl defender_actions::transport::Transport for Silent {
    async fn send(&self, request: Request<Bytes>) -> Outcome {
        self.0.lock().unwrap().push(request);
        std::future::pending().await
    }
}

#[tokio::test]
async fn call_obeys_its_timeout() {
    use defender_actions::{DefenderClientBuilder, transport::Clock};
    let silent = Silent::default();
    let clock = ManualClock::new();
    let client = |set: fn(DefenderClientBuilder) -> DefenderClientBuilder| {
        let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(silent.clone());
        set(builder.clock(clock.clone())).build().unwrap()
    };
    let read = |client: DefenderClient| client.action("a".parse().unwrap()).get();
    for (call, takes, attempts) in [
        (read(client(|builder| builder.attempts(1))), 30, 1),
        (read(client(|builder| builder.attempts(1).head_timeout(Duration::from_secs(7)))), 7, 1),
        (read(client(|builder| builder.total_timeout(Duration::from_secs(40)))), 40, 2),
        (read(client(|builder| builder)).timeout(Duration::from_secs(3)), 3, 1),
    ] {
        let began = clock.elapsed();
        let error = clock.run(call.send()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!(clock.elapsed().saturating_sub(began).as_secs(), takes);
        assert_eq!(std::mem::take(&mut *silent.0.lock().unwrap()).len(), attempts);
    }
}

/// Credential that never returns a token.
#[derive(Debug)]
struct NoToken;

#[async_trait::async_trait]
impl defender_actions::auth::TokenCredential for NoToken {
    async fn token(
        &self,
        _: &defender_actions::auth::TokenRequest,
    ) -> Result<defender_actions::auth::AccessToken, defender_actions::auth::Error> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn missing_token_times_out_unsent() {
    use defender_actions::transport::Clock;
    let (clock, transport) = (ManualClock::new(), Silent::default());
    let credential: std::sync::Arc<dyn defender_actions::auth::TokenCredential> = std::sync::Arc::new(NoToken);
    let builder = DefenderClient::builder().credential(credential).transport(transport.clone());
    let client = builder.clock(clock.clone()).build().unwrap();
    let machine = client.machine("m1".parse().unwrap());
    let call = machine.unrestrict_code_execution("cleaned").timeout(Duration::from_secs(10));
    let error = clock.run(call.send()).await.unwrap_err();
    assert_eq!((error.kind(), clock.elapsed().as_secs()), (ErrorKind::Credential, 10));
    assert!(error.never_sent() && error.is_retryable(), "{error:?}");
    assert!(transport.0.lock().unwrap().is_empty());
}
