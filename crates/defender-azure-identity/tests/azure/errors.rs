//! Failures of the SDK: how often it is asked, and what the error states.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenRequestOptions},
    error::ErrorKind as AzureKind,
    http::{AsyncRawResponse, Body, HttpClient, Request, headers::Headers},
};
use defender_actions::ErrorKind as Kind;
use defender_auth::{EntraError, Error, ErrorKind, IntoCredential, TokenRequest};
use defender_azure_identity::AzureCredential;
use defender_emulator::{Fault, Operation};
use defender_transport::SystemClock;

use crate::world::{World, live};

/// The error of one request for a token.
async fn refused(credential: AzureCredential) -> Error {
    live(credential, &SystemClock::new()).token(&TokenRequest::new()).await.unwrap_err()
}

#[tokio::test]
async fn wrong_secret_is_asked_once() {
    let world = World::new().await;
    let azure = world.azure("wrong~secret");
    let defender = world.client(AzureCredential::new(azure));
    let error = defender.machine(world.machine()).isolate("Suspicious sign-ins").await.unwrap_err();
    assert_eq!(world.http.forms().len(), 1);
    assert_eq!(world.emulator.ledger().len(), 0);
    assert_eq!((error.kind(), error.never_sent(), error.is_retryable()), (Kind::Credential, true, false));
    let cause = error.cause().and_then(|cause| cause.downcast_ref::<Error>()).unwrap();
    assert_eq!((cause.kind(), cause.status()), (ErrorKind::Refused, Some(401)));
    assert_eq!(cause.entra().and_then(EntraError::aadsts), Some(7_000_215));
    assert!(error.to_string().contains("use the secret's value, not its id"), "{error}");
    for text in [format!("{error}"), format!("{error:#}"), format!("{error:?}")] {
        assert!(!text.contains("wrong~secret") && !text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn throttled_sign_in_is_not_multiplied() {
    const JSON: &str = r#"{"error":"temporarily_unavailable","error_description":"AADSTS50196","error_codes":[50196]}"#;
    let world = World::new().await;
    let endpoint = Arc::new(Endpoint::new(429, |_| JSON.to_owned()));
    let azure = world.azure_once(Arc::<Endpoint>::clone(&endpoint), world.emulator.authority());
    let defender = world.client(AzureCredential::new(azure));
    let error = defender.machine(world.machine()).isolate("Suspicious sign-ins").await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), endpoint.requests()), (Kind::Credential, true, 1));
    let cause = error.cause().and_then(|cause| cause.downcast_ref::<Error>()).unwrap();
    assert!(cause.is_retryable() && cause.status() == Some(429), "{cause:?}");
    assert_eq!(cause.retry_after(), Some(Duration::from_secs(7)));
}

/// A limit of `azure_identity` 1.0: of a response that is not JSON it keeps neither status nor body.
#[tokio::test]
async fn empty_response_is_not_a_token() {
    let world = World::new().await;
    let endpoint = Arc::new(Endpoint::new(503, |_| String::new()));
    let azure = world.azure_once(endpoint, world.emulator.authority());
    let error = refused(AzureCredential::new(azure)).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Response, None));
}

#[tokio::test]
async fn refused_connection_states_its_cause() {
    let world = World::new().await;
    // A port on which nothing listens: it was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let azure = world.azure_once(Arc::new(world.http.clone()), &format!("https://{free}"));
    let error = refused(AzureCredential::new(azure)).await;
    assert_eq!((error.kind(), error.is_retryable(), error.status()), (ErrorKind::Transport, true, None));
    let line = error.to_string();
    assert!(line.contains("the token endpoint was not reached: ClientSecretCredential"), "{line}");
    assert!(line.to_lowercase().contains("refused") && !line.contains('\n'), "{line}");
}

#[tokio::test]
async fn lost_response_of_the_endpoint_is_transport() {
    let world = World::new().await;
    world.emulator.fault(Fault::ResetBeforeEffect).on(Operation::Token);
    let azure = world.azure_once(Arc::new(world.http.clone()), world.emulator.authority());
    let error = refused(AzureCredential::new(azure)).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Transport, true));
}

#[tokio::test]
async fn block_page_is_not_a_token() {
    let world = World::new().await;
    for status in [200, 403] {
        let fault = world.emulator.fault(Fault::BlockPage(status)).on(Operation::Token);
        let error = refused(AzureCredential::new(world.right())).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Response, false), "{status}");
        assert!(error.to_string().ends_with("check the authority, and any proxy or portal in between"), "{error}");
        fault.stop();
    }
}

#[tokio::test]
async fn failed_construction_is_reported_at_build() {
    let make = || azure_identity::ClientSecretCredential::new("no tenant", "id".to_owned(), "secret".into(), None);
    let context = defender_auth::CredentialContext::new(
        Arc::new(defender_transport::testing::Never),
        Arc::new(SystemClock::new()),
        defender_auth::Cloud::Public,
    );
    let error = AzureCredential::from_fn(make).into_credential(&context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("invalid tenant ID no tenant"), "{error}");
}

/// Token endpoint with one response, made from the request. Its headers have the request, too.
#[derive(Debug)]
struct Endpoint {
    status: u16,
    body: fn(&str) -> String,
    requests: AtomicUsize,
}

impl Endpoint {
    fn new(status: u16, body: fn(&str) -> String) -> Self {
        Self { status, body, requests: AtomicUsize::new(0) }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl HttpClient for Endpoint {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let Body::Bytes(form) = request.body() else { panic!("a form is bytes") };
        let form = String::from_utf8_lossy(form).into_owned();
        let mut headers = Headers::new();
        headers.insert("retry-after", "7");
        headers.insert("x-echo", form.clone());
        Ok(AsyncRawResponse::from_bytes(self.status.into(), headers, (self.body)(&form)))
    }
}

#[tokio::test]
async fn echoed_secret_is_not_shown() {
    let world = World::new().await;
    for status in [200, 400, 502] {
        let endpoint = Endpoint::new(status, |form| format!(r#"{{"message":"you sent {form}"}}"#));
        let azure = world.azure_once(Arc::new(endpoint), world.emulator.authority());
        let error = refused(AzureCredential::new(azure)).await;
        for text in [format!("{error}"), format!("{error:#}"), format!("{error:?}")] {
            assert!(!text.contains("canary"), "{status}: {text}");
        }
    }
}

#[tokio::test]
async fn other_failure_keeps_its_message() {
    #[derive(Debug)]
    struct Absent;
    #[async_trait]
    impl azure_core::credentials::TokenCredential for Absent {
        async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
            Err(azure_core::Error::with_message(AzureKind::Credential, "the vault\nis sealed"))
        }
    }
    let error = refused(AzureCredential::new(Arc::new(Absent))).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Other, false));
    assert_eq!(error.to_string(), "there is no token: the vault is sealed");
}
