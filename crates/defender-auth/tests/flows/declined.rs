//! A person who is asked to sign in, and declines.

use defender_auth::{DeviceCodeCredential, ErrorKind, IntoCredential};
use defender_transport::{
    Body,
    testing::{Capture, ManualClock},
};
use http::Response;

use crate::support::{ask, context};

const CODE: &str = r#"{"device_code":"d","user_code":"ABCD","verification_uri":"https://microsoft.com/devicelogin",
    "expires_in":900,"interval":5}"#;

#[tokio::test]
async fn declined_sign_in_has_own_error_kind() {
    for (refusal, kind, words) in [
        (r#"{"error":"authorization_declined"}"#, ErrorKind::Declined, "the person declined the sign-in"),
        (r#"{"error":"access_denied"}"#, ErrorKind::Declined, "the person declined the sign-in"),
        (r#"{"error":"access_denied","error_codes":[65004]}"#, ErrorKind::Declined, "declined to consent"),
        (r#"{"error":"access_denied","error_codes":[53003]}"#, ErrorKind::Refused, "Conditional Access"),
        (r#"{"error":"expired_token"}"#, ErrorKind::Refused, "expired_token"),
    ] {
        let transport = Capture::with(move |request| {
            let is_code = request.uri().path().ends_with("/devicecode");
            let (status, body) = if is_code { (200, CODE) } else { (400, refusal) };
            Ok(Response::builder().status(status).body(Body::from(body)).unwrap())
        });
        let clock = ManualClock::new();
        let credential = DeviceCodeCredential::new("contoso.com", "the-client", |_| ())
            .into_credential(&context(&transport, &clock));
        let error = ask(&credential.unwrap(), &clock).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable(), transport.requests().len()), (kind, false, 2), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
