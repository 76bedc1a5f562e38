//! The one central call, its exact request and response; and transport and credential replaced by a user's own.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind,
    auth::{AccessToken, Error as AuthError, StaticCredential, TokenCredential, TokenRequest},
    model::{ActionStatus, ActionType, MachineId},
    transport::{
        Body, Error as TransportError, Transport,
        extensions::{self, Idempotency, RateLimit, RateLimitScope, UrlTemplate},
        testing::MockTransport,
    },
};
use http::{Request, Response};

const MACHINE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
const COMMENT: &str = "Unrestrict code execution since machine was cleaned and validated";

/// Response as the service's page prints it: the older spelling of the update time, and a blank after the comment.
const DOCUMENTED: &str = r#"{
    "@odata.context": "https://api.securitycenter.windows.com/api/$metadata#MachineActions/$entity",
    "id": "44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e",
    "type": "UnrestrictCodeExecution",
    "requestor": "Analyst@contoso.com",
    "requestorComment": "Unrestrict code execution since machine was cleaned and validated ",
    "status": "InProgress",
    "machineId": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
    "creationDateTimeUtc": "2018-12-04T12:15:40.6052029Z",
    "lastUpdateTimeUtc": "2018-12-04T12:15:40.6052029Z",
    "relatedFileInfo": null
}"#;

fn machine() -> MachineId {
    MACHINE.parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a mock returns")]
fn created(body: &'static str) -> Result<Response<Body>, TransportError> {
    Ok(Response::builder().status(201).body(Body::from(body)).unwrap())
}

/// Transport that records requests.
#[derive(Clone, Debug)]
struct Capturing<T>(T, Arc<Mutex<Vec<Request<Bytes>>>>);

#[async_trait]
impl<T: Transport> Transport for Capturing<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        self.1.lock().unwrap().push(request.clone());
        self.0.send(request).await
    }
}

fn assert_to_the_letter(request: &Request<Bytes>, base: &str) {
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), format!("{base}/api/machines/{MACHINE}/unrestrictCodeExecution").as_str());
    assert!(request.headers()["authorization"].to_str().unwrap().starts_with("Bearer "));
    assert_eq!(request.headers()["content-type"], "application/json");
    assert_eq!(request.body(), r#"{"Comment":"Unrestrict code execution since machine was cleaned and validated"}"#);
}

#[tokio::test]
async fn lift_request_matches_documentation() {
    let mut transport = MockTransport::new();
    transport.expect_send().times(1).returning(|_| created(DOCUMENTED));
    let transport = Capturing(Arc::new(transport), Arc::default());
    let defender = DefenderClient::builder()
        .credential(StaticCredential::new("token"))
        .transport(transport.clone())
        .build()
        .unwrap();

    let submitted = defender.machine(machine()).unrestrict_code_execution(COMMENT).await.unwrap();

    let requests = transport.1.lock().unwrap();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert_to_the_letter(request, "https://api.security.microsoft.com");
    assert_eq!(request.headers()["authorization"], "Bearer token");

    let action = submitted.action();
    assert_eq!(action.action_type, ActionType::UnrestrictCodeExecution);
    assert_eq!(action.status, ActionStatus::InProgress);
    assert_eq!(action.machine_id, Some(machine()));
    assert_eq!(action.last_update_date_time_utc.unwrap().to_string(), "2018-12-04T12:15:40.6052029Z");
    // No field is lost. The record differs from the response in two ways: a null is left out, and the update time has its newer
    // name.
    let mut expected: serde_json::Value = serde_json::from_str(DOCUMENTED).unwrap();
    let map = expected.as_object_mut().unwrap();
    map.remove("relatedFileInfo");
    let updated = map.remove("lastUpdateTimeUtc").unwrap();
    map.insert("lastUpdateDateTimeUtc".to_owned(), updated);
    assert_eq!(serde_json::to_value(action).unwrap(), expected);
}

#[cfg(all(feature = "hyper", feature = "aws-lc-rs"))]
#[tokio::test]
async fn lift_request_matches_over_tls() {
    let emulator = defender_emulator::Emulator::start().await.unwrap();
    let tls = defender_actions::transport::HyperTransport::builder()
        .roots(defender_actions::transport::Roots::pem(emulator.ca_pem()).unwrap())
        .build()
        .unwrap();
    let transport = Capturing(tls, Arc::default());
    let defender = DefenderClient::builder()
        .credential(defender_actions::auth::ClientSecretCredential::new(
            emulator.tenant_id(),
            emulator.client_id(),
            emulator.client_secret(),
        ))
        .transport(transport.clone())
        .base_url(emulator.base_url())
        .authority(emulator.authority())
        .audience(emulator.audience())
        .build()
        .unwrap();

    defender.machine(machine()).unrestrict_code_execution(COMMENT).await.unwrap();

    let requests = transport.1.lock().unwrap();
    let [token, action] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert!(token.uri().path().ends_with("/oauth2/v2.0/token"));
    assert_to_the_letter(action, emulator.base_url());
    let ledger = emulator.ledger();
    let [entry] = ledger.as_slice() else { panic!("{} entries", ledger.len()) };
    assert_eq!((entry.method.as_str(), entry.path.as_str()), ("POST", action.uri().path()));
    assert_eq!(entry.content_type.as_deref(), Some("application/json"));
    assert_eq!(entry.body.as_bytes(), action.body());
    assert_eq!(entry.status, 201);
}

#[tokio::test]
async fn transport_can_be_replaced() {
    let mut transport = MockTransport::new();
    transport.expect_send().returning(|_| created(r#"{"id": "1", "status": "Pending"}"#));
    let client =
        DefenderClient::builder().credential(StaticCredential::new("token")).transport(transport).build().unwrap();
    let submitted = client.machine(machine()).unrestrict_code_execution("Cleaned").await.unwrap();
    assert_eq!(submitted.id().as_str(), "1");
}

#[derive(Debug)]
struct FromMyVault;

#[async_trait]
impl TokenCredential for FromMyVault {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, AuthError> {
        Ok(AccessToken::new("from-my-vault", "2100-01-01T00:00:00Z".parse().unwrap()))
    }
}

#[tokio::test]
async fn credential_can_be_replaced() {
    let mut transport = MockTransport::new();
    transport
        .expect_send()
        .withf(|request| request.headers()["authorization"] == "Bearer from-my-vault")
        .times(1)
        .returning(|_| created(r#"{"id": "1"}"#));
    let client = DefenderClient::builder().credential(FromMyVault).transport(transport).build().unwrap();
    client.machine(machine()).restrict_code_execution("Suspicious").await.unwrap();
}

#[tokio::test]
async fn extensions_describe_the_call() {
    let mut transport = MockTransport::new();
    transport
        .expect_send()
        .withf(|request| {
            let scope = extensions::of::<RateLimitScope, _>(request).unwrap();
            extensions::of(request) == Some(&Idempotency::NonIdempotent)
                && extensions::of(request) == Some(&UrlTemplate("/machines/{id}/unrestrictCodeExecution".into()))
                && scope.key.as_str() == "POST /machines/{id}/unrestrictcodeexecution"
                && scope.limits.iter().map(|RateLimit { calls, per }| (*calls, per.as_secs())).collect::<Vec<_>>()
                    == [(100, 60), (1_500, 3_600)]
        })
        .times(1)
        .returning(|_| created(r#"{"id": "1"}"#));
    let client = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport).build().unwrap();
    client.machine(machine()).unrestrict_code_execution("Cleaned").send().await.unwrap();
}

#[tokio::test]
async fn unawaited_request_is_not_sent() {
    // A mock without expectations fails the test when it is called.
    let transport = MockTransport::new();
    let client = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport).build().unwrap();
    drop(client.machine(machine()).unrestrict_code_execution("Cleaned"));
    let error = client.machine(machine()).unrestrict_code_execution(" \n").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
    assert!(error.never_sent());
    assert!(error.cause().unwrap().to_string().contains("comment is empty"));
}
