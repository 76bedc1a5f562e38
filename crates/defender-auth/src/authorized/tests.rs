use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use defender_transport::{
    TransportExt,
    testing::{Capture, ManualClock, MockTransport},
};
use jiff::Timestamp;

use super::*;
use crate::{AccessToken, Cached};

#[derive(Debug)]
struct Fixed;

#[async_trait]
impl TokenCredential for Fixed {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, crate::Error> {
        Ok(AccessToken::new("canary", Timestamp::MAX))
    }
}

fn authorized(transport: MockTransport) -> Authorized<MockTransport> {
    Authorized::new(transport, Arc::new(Fixed), &Uri::from_static("https://api.example.com")).unwrap()
}

fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn the_bearer_goes_to_its_host() {
    let mut transport = MockTransport::new();
    transport
        .expect_send()
        .withf(|request| {
            request.headers()[AUTHORIZATION] == "Bearer canary" && request.headers()[AUTHORIZATION].is_sensitive()
        })
        .times(2)
        .returning(|_| Ok(Response::new(Body::empty())));
    let authorized = authorized(transport);
    authorized.send(get("https://api.example.com/x")).await.unwrap();
    authorized.send(get("https://API.example.com:443/x")).await.unwrap();
}

/// Gives a token that is named after what was asked.
#[derive(Debug)]
struct Named;

#[async_trait]
impl TokenCredential for Named {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, crate::Error> {
        let stale = ask.rejected_token.as_ref().map_or("nothing", AccessToken::secret);
        let name = format!("after {stale} with {}", ask.claims.as_deref().unwrap_or("no claims"));
        Ok(AccessToken::new(name, Timestamp::MAX))
    }
}

#[tokio::test]
async fn unauthorized_response_brings_token_with_demanded_claims() {
    for (challenge, claims) in
        [(r#"Bearer claims="eyJhIjp7fX0=""#, r#"{"a":{}}"#), (r#"Bearer error="invalid_token""#, "no claims")]
    {
        let clock = ManualClock::new();
        let refused = Response::builder().status(401).header("www-authenticate", challenge);
        let transport = Capture::answering(refused.body("").unwrap());
        let base = Uri::from_static("https://api.example.com");
        let stack = Authorized::new(&transport, Arc::new(Named), &base).unwrap().retrying(clock.clone());
        let response = clock.run(stack.send(get("https://api.example.com/x"))).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let sent: Vec<_> = transport.requests().iter().map(|sent| sent.headers()[AUTHORIZATION].clone()).collect();
        let second = format!("Bearer after after nothing with no claims with {claims}");
        assert_eq!(sent, ["Bearer after nothing with no claims", second.as_str()]);
    }
}

/// Has no token the first time.
#[derive(Debug)]
struct Late(crate::Error, AtomicU32);

#[async_trait]
impl TokenCredential for Late {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, crate::Error> {
        let asked = self.1.fetch_add(1, Ordering::Relaxed);
        if asked == 0 { Err(self.0.clone()) } else { Ok(AccessToken::new("canary", Timestamp::MAX)) }
    }
}

#[tokio::test]
async fn foreign_credential_is_asked_again_where_useful() {
    let error = crate::Error::new;
    for (error, asked) in [
        (error(crate::ErrorKind::Other), 1),
        (error(crate::ErrorKind::Other).context("the secret is wrong").caused_by(std::fmt::Error), 1),
        (error(crate::ErrorKind::Other).retryable(false), 1),
        (error(crate::ErrorKind::Other).retryable(true), 2),
        (error(crate::ErrorKind::Transport), 1),
        (error(crate::ErrorKind::Refused), 1),
        (error(crate::ErrorKind::SignIn), 1),
        (error(crate::ErrorKind::Configuration), 1),
    ] {
        let (clock, credential) = (ManualClock::new(), Arc::new(Late(error, AtomicU32::new(0))));
        let base = Uri::from_static("https://api.example.com");
        let transport = Capture::answering(Response::new(""));
        let stack =
            Authorized::new(&transport, Arc::<Late>::clone(&credential), &base).unwrap().retrying(clock.clone());
        let post = Request::post("https://api.example.com/x").body(Bytes::new()).unwrap();
        let ended = clock.run(stack.send(post)).await;
        assert_eq!(credential.1.load(Ordering::Relaxed), asked, "{:?}", credential.0);
        assert_eq!((ended.is_ok(), transport.requests().len()), (asked == 2, usize::from(asked == 2)));
    }
}

/// Has a token after so many seconds.
#[derive(Debug)]
struct Slow(ManualClock, u64);

#[async_trait]
impl TokenCredential for Slow {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, crate::Error> {
        self.0.sleep(Duration::from_secs(self.1)).await;
        Ok(AccessToken::new("canary", Timestamp::MAX))
    }
}

#[tokio::test]
async fn token_wait_ends_with_call_timeout() {
    for (takes, may_take, left) in [(7, 10, Some(3)), (10, 10, Some(0)), (11, 10, None), (u64::MAX, 10, None)] {
        let clock = ManualClock::new();
        let transport = Capture::answering(Response::new(""));
        let base = Uri::from_static("https://api.example.com");
        let stack =
            Authorized::new(&transport, Arc::new(Slow(clock.clone(), takes)), &base).unwrap().clock(clock.clone());
        let mut request = get("https://api.example.com/x");
        request.extensions_mut().insert(Timeouts::default().total(Duration::from_secs(may_take)));
        let outcome = clock.run(stack.send(request)).await;
        assert!(clock.elapsed() <= Duration::from_secs(may_take), "{takes}");
        let sent = transport.requests();
        let told: Vec<_> = sent.iter().map(|sent| sent.extensions().get::<Timeouts>().unwrap().total).collect();
        if let Some(left) = left {
            assert_eq!(told, [Some(Duration::from_secs(left))]);
        } else {
            let error = outcome.unwrap_err();
            assert_eq!((error.kind(), error.never_sent(), told.len()), (ErrorKind::Credential, true, 0));
        }
    }
}

/// Has a token of an hour the first time, and then never responds.
#[derive(Debug)]
struct OnceOnly(ManualClock, AtomicU32);

#[async_trait]
impl TokenCredential for OnceOnly {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, crate::Error> {
        if self.1.fetch_add(1, Ordering::Relaxed) > 0 {
            std::future::pending::<()>().await;
        }
        Ok(AccessToken::new("canary", self.0.now() + Duration::from_secs(3_600)))
    }
}

#[tokio::test]
async fn silent_issuer_fails_no_call_with_valid_token() {
    let clock = ManualClock::new();
    let transport = Capture::answering(Response::new(""));
    let cached = Cached::new(OnceOnly(clock.clone(), AtomicU32::new(0)), Arc::new(clock.clone()));
    let base = Uri::from_static("https://api.example.com");
    let stack = Authorized::new(&transport, Arc::new(cached), &base).unwrap().clock(clock.clone());
    for (number, seconds) in [20, 20, 20, 4, 1].into_iter().enumerate() {
        let mut request = get("https://api.example.com/x");
        request.extensions_mut().insert(Timeouts::default().total(Duration::from_secs(seconds)));
        clock.run(stack.send(request)).await.unwrap();
        clock.advance(Duration::from_secs(match number {
            0 => 3_400,
            1 => 0,
            _ => 30,
        }));
    }
    let sent = transport.requests();
    let left: Vec<_> = sent.iter().map(|sent| sent.extensions().get::<Timeouts>().unwrap().total.unwrap()).collect();
    // A quarter of the time of a call at most.
    assert_eq!(left, [20_000, 15_000, 20_000, 3_000, 750].map(Duration::from_millis));
    assert!(sent.iter().all(|sent| sent.headers()[AUTHORIZATION] == "Bearer canary"));
}

#[tokio::test]
async fn echo_of_the_token_is_taken_out() {
    use base64::{Engine, engine::general_purpose::STANDARD};

    const TOKEN: &str = "canary.t0ken/with+all=kinds&of \"text\"";
    let percent = percent_encoding::utf8_percent_encode(TOKEN, percent_encoding::NON_ALPHANUMERIC).to_string();
    let json = TOKEN.replace('"', "\\\"").replace('/', "\\/");
    let html = TOKEN.replace('&', "&amp;").replace('"', "&quot;");
    let echoes = [TOKEN.to_owned(), percent.clone(), percent.to_lowercase(), STANDARD.encode(TOKEN), json, html];
    for echo in echoes {
        for status in [200, 201, 400, 401, 403, 500, 503] {
            for body in [format!("{{\"error\":\"{echo}\"}}"), format!("<html>{echo}</html>"), echo.clone()] {
                let response =
                    Response::builder().status(status).header("mise-correlation-id", &echo).body(Bytes::from(body));
                let transport = Capture::answering(response.unwrap());
                let credential = Arc::new(crate::StaticCredential::new(TOKEN));
                let base = Uri::from_static("https://api.example.com");
                let stack = Authorized::new(&transport, credential, &base).unwrap();
                let response = stack.send(get("https://api.example.com/x")).await.unwrap();
                let (head, body) = response.into_parts();
                let seen =
                    format!("{:?} {}", head.headers, String::from_utf8_lossy(&body.collect(1 << 20).await.unwrap()));
                // The JSON of a 2xx is data, and searched for the token as it is.
                let is_data = status < 300 && seen.contains("{\"error\"") && echo != TOKEN;
                assert!(is_data || !seen.contains(&echo), "{status}: {seen}");
                assert!(head.headers["mise-correlation-id"] == "<redacted>", "{status}: {seen}");
                assert!(is_data || seen.matches("<redacted>").count() == 2, "{status}: {seen}");
            }
        }
    }
}

#[tokio::test]
async fn the_bearer_goes_nowhere_else() {
    for uri in [
        "http://api.example.com/x",
        "https://api.example.com:8443/x",
        "https://api.example.com.evil.com/x",
        "https://user@api.example.com/x",
        "https://blob.example.com/x",
        "/x",
    ] {
        // A mock that expects nothing fails the test when it is called.
        let error = authorized(MockTransport::new()).send(get(uri)).await.unwrap_err();
        assert!(error.never_sent(), "{uri}");
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}

#[test]
fn base_url_without_https_is_refused() {
    let base = Uri::from_static("http://api.example.com");
    assert!(Authorized::new(MockTransport::new(), Arc::new(Fixed), &base).is_err());
}

#[tokio::test]
async fn refused_url_shows_no_password() {
    for url in ["https://user:canary@api.example.com", "http://user:canary@api.example.com/x"] {
        let base = Uri::from_static(url);
        let refused = Authorized::new(MockTransport::new(), Arc::new(Fixed), &base).unwrap_err();
        let unsent = authorized(MockTransport::new()).send(get(url)).await.unwrap_err();
        for error in [refused, unsent] {
            let told = format!("{error} {error:?} {error:#}");
            assert!(!told.contains("canary") && told.contains("user"), "{told}");
        }
    }
    let error = authorized(MockTransport::new()).send(get("https://blob.example.com:8443/x")).await.unwrap_err();
    assert!(error.to_string().contains("it goes to blob.example.com:8443,"), "{error}");
}
