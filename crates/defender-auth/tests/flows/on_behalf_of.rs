//! An API that calls for its user.

use defender_auth::{ClientSecretCredential, IntoCredential, OnBehalfOfCredential};
use defender_transport::testing::ManualClock;

use crate::support::{TOKEN, all_of, answering, ask, connected, context, form};

fn application() -> ClientSecretCredential {
    ClientSecretCredential::new("contoso.com", "the-client", "the-secret")
}

#[tokio::test]
async fn grant_request_follows_entra_documentation() {
    let (transport, clock) = (answering(200, TOKEN), ManualClock::new());
    let credential = OnBehalfOfCredential::with_secret(application(), "the-user");
    let token = ask(&connected(credential, &transport, &clock), &clock).await.unwrap();
    assert_eq!(token.secret(), "the-token");
    let request = transport.only_request();
    assert_eq!(request.uri(), "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    let expected = [
        ("assertion", "the-user"),
        ("client_id", "the-client"),
        ("client_secret", "the-secret"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("requested_token_use", "on_behalf_of"),
        ("scope", "https://api.securitycenter.microsoft.com/.default"),
    ];
    assert_eq!(form(&request), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn an_application_with_a_certificate_signs() {
    let (transport, clock) = (answering(200, TOKEN), ManualClock::new());
    let application =
        defender_auth::ClientCertificateCredential::new("contoso.com", "the-client", include_str!("keys/pbkdf2.pem"));
    let credential = OnBehalfOfCredential::with_certificate(application.password("correct horse"), "the-user");
    ask(&connected(credential, &transport, &clock), &clock).await.unwrap();
    let form = form(&transport.only_request());
    assert_eq!(form["client_assertion"].split('.').count(), 3);
    assert_eq!(form["assertion"], "the-user");
    assert!(!form.contains_key("client_secret"));
}

#[tokio::test]
async fn claims_challenge_is_available_to_caller() {
    let body = r#"{"error":"interaction_required","error_description":"AADSTS50076: the-user must use MFA",
        "claims":"{\"access_token\":{\"polids\":{}}}"}"#;
    let clock = ManualClock::new();
    let credential = OnBehalfOfCredential::with_secret(application(), "the-user");
    let error = ask(&connected(credential, &answering(400, body), &clock), &clock).await.unwrap_err();
    assert_eq!(error.entra().unwrap().claims(), Some(r#"{"access_token":{"polids":{}}}"#));
    assert!(error.entra().unwrap().needs_sign_in());
    assert!(!all_of(&error).contains("the-user"), "{error}");
}

#[tokio::test]
async fn malformed_response_is_refused_without_text() {
    for (status, body) in
        [(200, "{}"), (200, "the-user"), (200, r#"{"access_token":"","token_type":"Bearer"}"#), (400, "the-user")]
    {
        let clock = ManualClock::new();
        let credential = OnBehalfOfCredential::with_secret(application(), "the-user");
        let error = ask(&connected(credential, &answering(status, body), &clock), &clock).await.unwrap_err();
        assert_eq!(error.kind(), defender_auth::ErrorKind::Response);
        assert!(!all_of(&error).contains("the-user"), "{error}");
    }
}

#[test]
fn a_user_without_a_token_is_refused() {
    let credential = OnBehalfOfCredential::with_secret(application(), " ");
    let error = credential.into_credential(&context(&answering(200, TOKEN), &ManualClock::new())).unwrap_err();
    assert!(error.to_string().contains("the user's token is empty"), "{error}");
}
