//! Puts the token on a request: the one place that does.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use defender_transport::{
    Body, Clock, Error, ErrorKind, Transport,
    extensions::{Timeouts, Unauthorized},
};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_LENGTH},
    uri::Authority,
};

use crate::{AccessToken, TokenCredential, TokenRequest, claims_challenge, timeout::timeout};

/// Puts `Authorization: Bearer …` on each request, for one host over https and for no other.
///
/// A request to anywhere else is an error and is not sent: a bearer that reaches a storage host or a plain connection is
/// a bearer given away.
///
/// A token that comes back, as it is or encoded, is taken out of the response's headers, and out of its body where that was read
/// beneath, as by `Buffered`.
///
/// It does not retry. To a 401 it adds, in the response's extensions, which token was refused; a
/// layer above that sends again hands this back as [`Unauthorized`], as `Retrying` does, and then the credential is asked
/// for another token, with the claims that the 401 demanded.
///
/// A call that may take ten seconds ([`Timeouts::total`]) waits no longer for its token, once a [`clock`](Self::clock) is given.
#[derive(Debug)]
pub struct Authorized<T> {
    inner: T,
    credential: Arc<dyn TokenCredential>,
    host: Authority,
    clock: Option<Arc<dyn Clock>>,
}

impl<T> Authorized<T> {
    /// Wraps `inner`, for the host and port of `base`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`] where `base` is not a URL with a host that begins with `https://`.
    pub fn new(inner: T, credential: Arc<dyn TokenCredential>, base: &Uri) -> Result<Self, Error> {
        match (base.scheme_str(), base.authority()) {
            (Some("https"), Some(host)) if !host.as_str().contains('@') => {
                Ok(Self { inner, credential, host: host.clone(), clock: None })
            }
            _ => Err(Error::new(ErrorKind::Request)
                .context(format!("the base URL `{base}` must begin with https:// and have a host"))),
        }
    }

    /// Counts the wait for a token against the call's [`Timeouts::total`], on this clock. Without one, the wait is as long as the
    /// credential's own.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    fn is_ours(&self, uri: &Uri) -> bool {
        let same = |ours: &Authority, theirs: &Authority| {
            ours.host().eq_ignore_ascii_case(theirs.host())
                && ours.port_u16().unwrap_or(443) == theirs.port_u16().unwrap_or(443)
                && !theirs.as_str().contains('@')
        };
        uri.scheme_str() == Some("https") && uri.authority().is_some_and(|theirs| same(&self.host, theirs))
    }
}

impl<T: Transport> Authorized<T> {
    /// A token within the time of the call, which is less by the time that it took.
    async fn token(&self, request: &mut Request<Bytes>) -> Result<AccessToken, crate::Error> {
        let ask = asking(request);
        let token = self.credential.token(&ask);
        let total = request.extensions_mut().get_mut::<Timeouts>().and_then(|times| times.total.as_mut());
        let (Some(clock), Some(total)) = (&self.clock, total) else { return token.await };
        let begin = clock.elapsed();
        let token = timeout(clock, *total, token).await.unwrap_or_else(|| {
            let said = format!("it was not there within {total:?}, which is all the time that the call had left");
            Err(crate::Error::new(crate::ErrorKind::Transport).context(said))
        });
        *total = total.saturating_sub(clock.elapsed().saturating_sub(begin));
        token
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Authorized<T> {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, Error> {
        if !self.is_ours(request.uri()) {
            let to = request.uri().authority().map_or("nowhere", Authority::as_str);
            return Err(Error::new(ErrorKind::Request)
                .context(format!("it goes to {to}, and the token may go to https://{} only", self.host)));
        }
        let token = self.token(&mut request).await.map_err(without_token)?;
        authorize(request.headers_mut(), token.header().map_err(without_token)?);
        let mut answer = self.inner.send(request).await?;
        scrub(&mut answer, &token);
        if answer.status() == StatusCode::UNAUTHORIZED {
            answer.extensions_mut().insert(Refused(token));
        }
        Ok(answer)
    }
}

/// Puts on the `Authorization` header, which nobody else does.
pub(crate) fn authorize(headers: &mut HeaderMap, value: HeaderValue) {
    headers.insert(AUTHORIZATION, value);
}

/// Takes an echo of the token out of a response: out of its headers, from which a request id goes into errors, and out of a body
/// that was read, which goes into errors where it is a refusal or cannot be read.
fn scrub(response: &mut Response<Body>, token: &AccessToken) {
    // Most headers are far shorter than a token.
    let length = token.secret().len();
    for value in response.headers_mut().values_mut().filter(|value| value.len() >= length) {
        if let Ok(clean) = HeaderValue::from_str(&token.secrets().redact(&String::from_utf8_lossy(value.as_bytes())))
            && clean != *value
        {
            *value = clean;
        }
    }
    let Some(body) = response.body().as_whole() else { return };
    let is_json = matches!(body.trim_ascii_start(), [b'{' | b'[', ..]);
    if response.status().is_success() && is_json && !has_echo(body, token.secret().as_bytes()) {
        return; // Nearly always.
    }
    if let Some(clean) = token.secrets().redact_bytes(body) {
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(clean);
    }
}

/// Returns true if a short body has the end of the token in it. A long body is a list, which no error quotes.
fn has_echo(body: &[u8], token: &[u8]) -> bool {
    const SHORT: usize = 16 << 10;
    const END: usize = 16;
    let end = token.get(token.len().saturating_sub(END)..).unwrap_or(token);
    let Some((last, before)) = end.split_last() else { return false };
    // The last byte is looked for first: a comparison of every window costs ten times as much.
    let (lower, upper) = (last.to_ascii_lowercase(), last.to_ascii_uppercase());
    let is_end = |(place, byte): (usize, &u8)| {
        (*byte == lower || *byte == upper)
            && place
                .checked_sub(before.len())
                .and_then(|from| body.get(from..place))
                .is_some_and(|text| text.eq_ignore_ascii_case(before))
    };
    body.len() <= SHORT && body.iter().enumerate().any(is_end)
}

/// A credential of this crate has retried already, where that is of use. A credential from elsewhere, whose errors are
/// [`Other`](crate::ErrorKind::Other), is asked again only if its error is marked as retryable.
fn without_token(error: crate::Error) -> Error {
    let again = error.kind() == crate::ErrorKind::Other && error.is_retryable();
    let wait = error.retry_after();
    let told = Error::new(ErrorKind::Credential).caused_by(error);
    let told = wait.into_iter().fold(told, Error::with_retry_after);
    if again { told } else { told.permanent() }
}

/// In the extensions of a 401: the token that it refused.
#[derive(Clone, Debug)]
struct Refused(AccessToken);

/// Request for the credential: another token if the last one was refused. No layer beneath sees the mark of that refusal.
fn asking(request: &mut Request<Bytes>) -> TokenRequest {
    let Some(Unauthorized { challenge, left, .. }) = request.extensions_mut().remove() else {
        return TokenRequest::new();
    };
    let mut ask = TokenRequest::new();
    ask.rejected_token = left.get::<Refused>().map(|Refused(token)| token.clone());
    ask.claims = challenge.as_deref().and_then(claims_challenge);
    ask
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use defender_transport::{
        TransportExt,
        testing::{Capture, ManualClock, MockTransport},
    };
    use jiff::Timestamp;

    use super::*;
    use crate::AccessToken;

    #[derive(Debug)]
    struct Fixed;

    #[async_trait]
    impl TokenCredential for Fixed {
        async fn token(&self, _: &TokenRequest) -> Result<AccessToken, crate::Error> {
            Ok(AccessToken::new("canary", Timestamp::MAX))
        }
    }

    fn authorized(wire: MockTransport) -> Authorized<MockTransport> {
        Authorized::new(wire, Arc::new(Fixed), &Uri::from_static("https://api.example.com")).unwrap()
    }

    fn get(uri: &str) -> Request<Bytes> {
        Request::get(uri).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn the_bearer_goes_to_its_host() {
        let mut wire = MockTransport::new();
        wire.expect_send()
            .withf(|request| {
                request.headers()[AUTHORIZATION] == "Bearer canary" && request.headers()[AUTHORIZATION].is_sensitive()
            })
            .times(2)
            .returning(|_| Ok(Response::new(Body::empty())));
        let authorized = authorized(wire);
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
            let wire = Capture::answering(refused.body("").unwrap());
            let base = Uri::from_static("https://api.example.com");
            let stack = Authorized::new(&wire, Arc::new(Named), &base).unwrap().retrying(clock.clone());
            let answer = clock.run(stack.send(get("https://api.example.com/x"))).await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            let sent: Vec<_> = wire.requests().iter().map(|sent| sent.headers()[AUTHORIZATION].clone()).collect();
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
            let wire = Capture::answering(Response::new(""));
            let stack = Authorized::new(&wire, Arc::<Late>::clone(&credential), &base).unwrap().retrying(clock.clone());
            let post = Request::post("https://api.example.com/x").body(Bytes::new()).unwrap();
            let ended = clock.run(stack.send(post)).await;
            assert_eq!(credential.1.load(Ordering::Relaxed), asked, "{:?}", credential.0);
            assert_eq!((ended.is_ok(), wire.requests().len()), (asked == 2, usize::from(asked == 2)));
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
            let wire = Capture::answering(Response::new(""));
            let base = Uri::from_static("https://api.example.com");
            let stack =
                Authorized::new(&wire, Arc::new(Slow(clock.clone(), takes)), &base).unwrap().clock(clock.clone());
            let mut request = get("https://api.example.com/x");
            request.extensions_mut().insert(Timeouts::default().total(Duration::from_secs(may_take)));
            let outcome = clock.run(stack.send(request)).await;
            assert!(clock.elapsed() <= Duration::from_secs(may_take), "{takes}");
            let sent = wire.requests();
            let told: Vec<_> = sent.iter().map(|sent| sent.extensions().get::<Timeouts>().unwrap().total).collect();
            if let Some(left) = left {
                assert_eq!(told, [Some(Duration::from_secs(left))]);
            } else {
                let error = outcome.unwrap_err();
                assert_eq!((error.kind(), error.never_sent(), told.len()), (ErrorKind::Credential, true, 0));
            }
        }
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
                    let wire = Capture::answering(response.unwrap());
                    let credential = Arc::new(crate::StaticCredential::new(TOKEN));
                    let base = Uri::from_static("https://api.example.com");
                    let stack = Authorized::new(&wire, credential, &base).unwrap();
                    let response = stack.send(get("https://api.example.com/x")).await.unwrap();
                    let (head, body) = response.into_parts();
                    let seen = format!(
                        "{:?} {}",
                        head.headers,
                        String::from_utf8_lossy(&body.collect(1 << 20).await.unwrap())
                    );
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
}
