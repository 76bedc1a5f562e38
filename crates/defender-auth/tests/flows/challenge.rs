//! An API that answers 401 with a demand for claims.

use std::sync::Arc;

use bytes::Bytes;
use defender_auth::{Authorized, ClientSecretCredential, IntoCredential};
use defender_transport::{
    Body, Transport, TransportExt,
    testing::{Capture, ManualClock},
};
use http::{Request, Response, Uri};

use crate::support::{context, form};

const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"},"x":"~~~???"}}"#;

/// Gives `t1`, `t2` and so on.
fn issuer() -> Capture {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Capture::with(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let body = format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"t{number}"}}"#);
        Ok(Response::new(Body::from(body)))
    })
}

/// An API that takes the token `good` and nothing else.
fn api(good: &'static str, challenges: Vec<String>) -> Capture {
    Capture::with(move |request| {
        if request.headers()["authorization"] == format!("Bearer {good}").as_str() {
            return Ok(Response::new(Body::from("fine")));
        }
        let refused = Response::builder().status(401);
        let refused = challenges.iter().fold(refused, |refused, one| refused.header("www-authenticate", one));
        Ok(refused.body(Body::empty()).unwrap())
    })
}

/// The status that a caller sees, the tokens that the API saw, and the claims with which tokens were asked for.
async fn call(api: &Capture) -> (u16, Vec<String>, Vec<Option<String>>) {
    let (issuer, clock) = (issuer(), ManualClock::new());
    let credential = ClientSecretCredential::new("contoso.com", "the-client", "the-secret");
    let credential = credential.into_credential(&context(&issuer, &clock)).unwrap();
    let base = Uri::from_static("https://api.example.com");
    let stack = Authorized::new(api.clone(), Arc::clone(&credential), &base).unwrap().retrying(clock.clone());
    let request = Request::get("https://api.example.com/x").body(Bytes::new()).unwrap();
    let response = clock.run(stack.send(request)).await.unwrap();
    let bearer = |request: &Request<Bytes>| request.headers()["authorization"].to_str().unwrap().to_owned();
    let asked = issuer.requests().iter().map(|request| form(request).remove("claims")).collect();
    (response.status().as_u16(), api.requests().iter().map(bearer).collect(), asked)
}

#[tokio::test]
async fn claims_challenge_is_answered_once() {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
    };
    let bearer = |claims: String| format!(r#"Bearer realm="", error="insufficient_claims", claims="{claims}""#);
    let mut forms: Vec<Vec<String>> = [
        STANDARD.encode(CLAIMS),
        STANDARD_NO_PAD.encode(CLAIMS),
        URL_SAFE.encode(CLAIMS),
        URL_SAFE_NO_PAD.encode(CLAIMS),
    ]
    .into_iter()
    .map(|claims| vec![bearer(claims)])
    .collect();
    let claims = STANDARD.encode(CLAIMS);
    assert!(claims.contains('+') || claims.contains('/'), "the alphabets differ: {claims}");
    forms.extend([
        // Other fields before and behind, in any case.
        vec![format!(r#"bearer claims="{claims}", authorization_uri="https://x.example/a=b,c", ERROR="e""#)],
        vec![format!("Bearer error=insufficient_claims,claims={claims}")],
        // Several headers, of which it is one, wherever.
        vec![r#"Basic realm="x""#.to_owned(), bearer(claims.clone()), r#"PoP nonce="y""#.to_owned()],
        vec![bearer(claims.clone()), "Negotiate".to_owned()],
        vec![r#"PoP claims="e30=""#.to_owned(), bearer(claims.clone())],
    ]);
    for challenges in forms {
        let (status, tokens, asked) = call(&api("t2", challenges.clone())).await;
        assert_eq!((status, tokens), (200, vec!["Bearer t1".to_owned(), "Bearer t2".to_owned()]), "{challenges:?}");
        assert_eq!(asked, [None, Some(CLAIMS.to_owned())], "{challenges:?}");
    }
}

#[tokio::test]
async fn second_claims_challenge_reaches_caller() {
    let challenge = r#"Bearer error="insufficient_claims", claims="e30=""#.to_owned();
    let (status, tokens, asked) = call(&api("none is good", vec![challenge])).await;
    assert_eq!((status, tokens.len(), asked), (401, 2, vec![None, Some("{}".to_owned())]));
    for challenges in
        [vec![], vec![r#"Bearer error="invalid_token""#.to_owned()], vec!["Bearer claims=\"!\"".to_owned()]]
    {
        let (status, tokens, asked) = call(&api("t2", challenges)).await;
        assert_eq!((status, tokens.len(), asked), (200, 2, vec![None, None]));
    }
}
