//! A sign-in that is kept up.

use std::sync::{Arc, Mutex};

use defender_auth::{
    Error, ErrorKind, MemoryTokenStore, RefreshToken, RefreshTokenCredential, TokenRequest, TokenStore,
};
use defender_transport::{
    Body,
    testing::{Capture, ManualClock},
};
use http::Response;

use crate::support::{TOKEN, all_of, answering, ask, connected, form};

fn store() -> Arc<MemoryTokenStore> {
    Arc::new(MemoryTokenStore::with(RefreshToken::new("refresh-0")))
}

/// Gives with each token a refresh token that is one further.
fn rotating() -> Capture {
    let count = Mutex::new(0);
    Capture::with(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"t{count}","refresh_token":"refresh-{count}"}}"#
        );
        Ok(Response::new(Body::from(body)))
    })
}

#[tokio::test]
async fn new_refresh_token_replaces_old() {
    let (transport, clock, store) = (rotating(), ManualClock::new(), store());
    let credential = RefreshTokenCredential::new("contoso.com", "the-client", Arc::clone(&store));
    let credential = connected(credential, &transport, &clock);
    let first = ask(&credential, &clock).await.unwrap();
    let second =
        clock.run(credential.token(&TokenRequest::new().rejected_token(first.clone()).claims("{}"))).await.unwrap();
    assert_eq!((first.secret(), second.secret()), ("t1", "t2"));
    let forms: Vec<_> = transport.requests().iter().map(form).collect();
    assert_eq!((&*forms[0]["refresh_token"], &*forms[1]["refresh_token"]), ("refresh-0", "refresh-1"));
    assert_eq!(forms[0]["grant_type"], "refresh_token");
    assert_eq!(forms[0]["scope"], "https://api.securitycenter.microsoft.com/.default offline_access");
    assert!(!forms[0].contains_key("client_secret") && !forms[0].contains_key("claims"));
    assert_eq!(forms[1]["claims"], "{}");
    assert_eq!(store.load().await.unwrap().unwrap().secret(), "refresh-2");
}

#[tokio::test]
async fn confidential_client_sends_secret_and_permissions() {
    let (transport, clock) = (answering(200, TOKEN), ManualClock::new());
    let credential = RefreshTokenCredential::new("contoso.com", "the-client", store())
        .client_secret("the-secret")
        .permissions(["Machine.Read", "https://other.example/Thing.Read"]);
    ask(&connected(credential, &transport, &clock), &clock).await.unwrap();
    let form = form(&transport.only_request());
    assert_eq!(form["client_secret"], "the-secret");
    assert_eq!(
        form["scope"],
        "https://api.securitycenter.microsoft.com/Machine.Read https://other.example/Thing.Read offline_access"
    );
}

#[tokio::test]
async fn expired_sign_in_stays_in_store() {
    let body = r#"{"error":"invalid_grant","error_description":"AADSTS700082: refresh-0 has expired."}"#;
    let (clock, store) = (ManualClock::new(), store());
    let credential = RefreshTokenCredential::new("contoso.com", "the-client", Arc::clone(&store));
    let error = ask(&connected(credential, &answering(400, body), &clock), &clock).await.unwrap_err();
    assert!(error.to_string().contains("sign in again") && !all_of(&error).contains("refresh-0"), "{error}");
    assert_eq!(store.load().await.unwrap().unwrap().secret(), "refresh-0");
}

#[tokio::test]
async fn without_a_refresh_token_nothing_is_sent() {
    let (transport, clock) = (answering(200, TOKEN), ManualClock::new());
    let credential = RefreshTokenCredential::new("contoso.com", "the-client", MemoryTokenStore::new());
    let error = ask(&connected(credential, &transport, &clock), &clock).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Configuration && transport.requests().is_empty(), "{error}");
}

/// Loads, and cannot save.
#[derive(Debug)]
struct Full;

#[async_trait::async_trait]
impl TokenStore for Full {
    async fn load(&self) -> Result<Option<RefreshToken>, Error> {
        Ok(Some(RefreshToken::new("refresh-0")))
    }

    async fn save(&self, _: &RefreshToken) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Other).context("the disk is full"))
    }
}

#[tokio::test]
async fn failed_store_is_error_next_call_retries() {
    let (transport, clock) = (rotating(), ManualClock::new());
    let credential = connected(RefreshTokenCredential::new("contoso.com", "the-client", Full), &transport, &clock);
    for _ in 0..2 {
        assert!(ask(&credential, &clock).await.unwrap_err().to_string().contains("the disk is full"));
    }
    assert!(transport.requests().iter().all(|request| form(request)["refresh_token"] == "refresh-0"));
}
