//! A client secret and the token endpoint, over a mock of the transport and in virtual time.

use std::sync::Arc;

use bytes::Bytes;
use defender_auth::{
    ClientSecretCredential, Cloud, CredentialContext, Error, ErrorKind, IntoCredential, TokenCredential, TokenRequest,
};
use defender_transport::{
    Body, Clock,
    extensions::Idempotency,
    testing::{Capture, ManualClock, MockTransport},
};
use http::{Request, Response};

use crate::support::form;

const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"the-token"}"#;

fn connected(transport: MockTransport, clock: &ManualClock) -> Arc<dyn TokenCredential> {
    let context = CredentialContext::new(Arc::new(transport), Arc::new(clock.clone()), Cloud::Public);
    ClientSecretCredential::new("contoso.com", "the-client", "s&cr=t+").into_credential(&context).unwrap()
}

fn answering(status: u16, body: &'static str) -> MockTransport {
    let mut transport = MockTransport::new();
    transport.expect_send().returning(move |_| Ok(Response::builder().status(status).body(Body::from(body)).unwrap()));
    transport
}

async fn refused(status: u16, body: &'static str) -> Error {
    let clock = ManualClock::new();
    clock.run(connected(answering(status, body), &clock).token(&TokenRequest::new())).await.unwrap_err()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut shown = format!("{error} / {error:?}");
    if let Some(source) = error.source() {
        shown.push_str(&chain(source));
    }
    shown
}

#[tokio::test]
async fn grant_request_follows_entra_documentation() {
    let as_documented = |request: &Request<Bytes>| {
        let mut form: Vec<_> = std::str::from_utf8(request.body()).unwrap().split('&').collect();
        form.sort_unstable();
        request.method() == http::Method::POST
            && request.uri() == "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"
            && request.headers()["content-type"] == "application/x-www-form-urlencoded"
            && !request.headers().contains_key("authorization")
            && request.extensions().get() == Some(&Idempotency::NonIdempotent)
            && form
                == [
                    "client_id=the-client",
                    "client_secret=s%26cr%3Dt%2B",
                    "grant_type=client_credentials",
                    "scope=https%3A%2F%2Fapi.securitycenter.microsoft.com%2F.default",
                ]
    };
    let mut transport = MockTransport::new();
    transport.expect_send().withf(as_documented).times(1).returning(|_| Ok(Response::new(Body::from(TOKEN))));
    let clock = ManualClock::new();

    let token = connected(transport, &clock).token(&TokenRequest::new()).await.unwrap();

    assert_eq!(token.secret(), "the-token");
    assert_eq!(token.expires_on().duration_since(clock.now()).as_secs(), 3599);
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let error = refused(
        401,
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#,
    )
    .await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.entra().unwrap().aadsts(), Some(7_000_215));
    assert!(error.to_string().contains("use the secret's value, not its id"), "{error}");
}

#[tokio::test]
async fn malformed_token_response_is_reported_by_status() {
    for (status, body, words) in [
        (302, "", "redirect"),
        (404, "<html>not here s&cr=t+</html>", "really a token endpoint"),
        (429, "", "too many requests"),
        (503, "busy", "in trouble"),
        (200, "<html>sign in: s&cr=t+</html>", "not a token"),
        (200, r#"{"access_token":5,"echo":"s&cr=t+"}"#, "not a token"),
    ] {
        let error = refused(status, body).await;
        assert_eq!(error.kind(), ErrorKind::Response, "{status} {body}");
        assert!(error.to_string().contains(words), "{status}: {error}");
        assert!(!chain(&error).contains("s&cr=t+"), "{error:?}");
    }
}

#[tokio::test]
async fn unreachable_endpoint_is_reported_with_cause() {
    let mut transport = MockTransport::new();
    transport.expect_send().returning(|_| Err(defender_transport::Error::new(defender_transport::ErrorKind::Connect)));
    let clock = ManualClock::new();
    let error = clock.run(connected(transport, &clock).token(&TokenRequest::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(error.to_string(), "the token endpoint was not reached: could not connect");
}

#[tokio::test]
async fn lasting_failure_is_not_repeated() {
    for (permanent, asked) in [(true, 1), (false, 5)] {
        let transport = Capture::with(move |_| {
            let error = defender_transport::Error::new(defender_transport::ErrorKind::Connect);
            Err(if permanent { error.permanent() } else { error })
        });
        let clock = ManualClock::new();
        let context = CredentialContext::new(Arc::new(transport.clone()), Arc::new(clock.clone()), Cloud::Public);
        let credential =
            ClientSecretCredential::new("contoso.com", "the-client", "secret").into_credential(&context).unwrap();
        let error = clock.run(credential.token(&TokenRequest::new())).await.unwrap_err();
        assert_eq!((transport.requests().len(), error.is_retryable()), (asked, !permanent), "{error}");
    }
}

#[tokio::test]
async fn token_is_replaced_five_minutes_before_expiry() {
    let mut transport = MockTransport::new();
    transport.expect_send().times(2).returning(|_| Ok(Response::new(Body::from(TOKEN))));
    let clock = ManualClock::new();
    let credential = connected(transport, &clock);
    for seconds in [0, 3200, 99, 10] {
        clock.advance(std::time::Duration::from_secs(seconds));
        credential.token(&TokenRequest::new()).await.unwrap();
    }
}

#[test]
fn misdirected_secret_is_refused_before_sending() {
    let context = |authority: &str| {
        CredentialContext::new(Arc::new(MockTransport::new()), Arc::new(ManualClock::new()), Cloud::Public)
            .authority(authority)
    };
    for (tenant, authority, words) in [
        ("contoso.com", "http://login.microsoftonline.com", "must be a URL that begins with https://"),
        ("contoso.com", "login.microsoftonline.com", "must be a URL that begins with https://"),
        ("contoso.com", "not a url", "is not a URL"),
        ("contoso.com/x?", "https://login.microsoftonline.com", "neither an id nor a domain"),
        ("", "https://login.microsoftonline.com", "neither an id nor a domain"),
        (" ", "https://login.microsoftonline.com", "neither an id nor a domain"),
        ("..", "https://login.microsoftonline.com", "neither an id nor a domain"),
        ("a/../b", "https://login.microsoftonline.com", "neither an id nor a domain"),
        ("a%2fb", "https://login.microsoftonline.com", "neither an id nor a domain"),
        ("caf\u{e9}.example", "https://login.microsoftonline.com", "neither an id nor a domain"),
        ("a\nb", "https://login.microsoftonline.com", "neither an id nor a domain"),
        ("common", "https://login.microsoftonline.com", "needs the id or a domain of one tenant"),
    ] {
        let credential = ClientSecretCredential::new(tenant, "the-client", "secret");
        let error = credential.into_credential(&context(authority)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn scope_is_audience_plus_default() {
    for (audience, scope) in [
        ("https://x.example", "https://x.example/.default"),
        ("https://x.example/", "https://x.example//.default"),
        ("https://x.example/.default", "https://x.example/.default"),
        ("https://x.example//.default", "https://x.example//.default"),
        ("api://0000", "api://0000/.default"),
    ] {
        let transport = Capture::answering(Response::new(TOKEN));
        let context = CredentialContext::new(Arc::new(transport.clone()), Arc::new(ManualClock::new()), Cloud::GccHigh);
        let credential = ClientSecretCredential::new("contoso.com", "the-client", "secret");
        let credential = credential.into_credential(&context.audience(audience)).unwrap();
        credential.token(&TokenRequest::new()).await.unwrap();
        let request = transport.only_request();
        assert_eq!(form(&request)["scope"], scope);
        assert_eq!(request.uri().host(), Some("login.microsoftonline.us"));
    }
}
