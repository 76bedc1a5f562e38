//! Puts the token on a request: the one place that does.

use std::sync::Arc;

use bytes::Bytes;
use defender_transport::{
    Body, Clock, Error, ErrorKind, SendFuture, Transport,
    extensions::{self, Timeouts, Unauthorized},
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
/// If a response contains the token, raw or encoded, the token is removed from its headers, and from its body if a layer beneath,
/// such as `Buffered`, has read the body.
///
/// This layer does not retry. It puts the refused token into the extensions of a 401. A layer above that sends the request again,
/// such as `Retrying`, passes this on as [`Unauthorized`]. The credential is then asked for another token, with the claims that
/// the 401 demanded.
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
    /// [`ErrorKind::Request`] where `base` is not a URL with a host that begins with `https://`, or has a user name or a password.
    pub fn new(inner: T, credential: Arc<dyn TokenCredential>, base: &Uri) -> Result<Self, Error> {
        let wrong = |what: String| Err(Error::new(ErrorKind::Request).context(what));
        match (base.scheme_str(), base.authority()) {
            // The URL is left out: it may hold a password.
            (_, Some(host)) if host.as_str().contains('@') => {
                wrong("the base URL has a user name or a password before its host; remove them".to_owned())
            }
            (Some("https"), Some(host)) => Ok(Self { inner, credential, host: host.clone(), clock: None }),
            _ => wrong(format!("the base URL `{base}` must begin with https:// and have a host")),
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
            // Mostly it is the same text. Comparing the parts costs 1,300 instructions.
            let is_same_text = ours.as_str() == theirs.as_str();
            is_same_text
                || ours.host().eq_ignore_ascii_case(theirs.host())
                    && ours.port_u16().unwrap_or(443) == theirs.port_u16().unwrap_or(443)
                    && !theirs.as_str().contains('@')
        };
        uri.scheme_str() == Some("https") && uri.authority().is_some_and(|theirs| same(&self.host, theirs))
    }
}

impl<T: Transport> Authorized<T> {
    /// A token within the time of the call, which is less by the time that it took.
    async fn token(&self, request: &mut Request<Bytes>) -> Result<AccessToken, crate::Error> {
        let mut ask = asking(request);
        let times: Timeouts = extensions::of(request).copied().unwrap_or_default();
        let total = request.extensions_mut().get_or_insert(times).total.as_mut();
        ask.call_time = total.as_deref().copied();
        let token = self.credential.token(&ask);
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

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Authorized<T> {
    fn send<'a, 'f>(&'a self, mut request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        if !self.is_ours(request.uri()) {
            let to = request.uri().authority().map_or("nowhere", Authority::as_str);
            // What stands before the host may be a password.
            let to = match to.rsplit_once('@') {
                Some((_, host)) => format!("{host} with a user name or a password"),
                None => to.to_owned(),
            };
            let error = Error::new(ErrorKind::Request)
                .context(format!("it goes to {to}, and the token may go to https://{} only", self.host));
            return Box::pin(std::future::ready(Err(error)));
        }
        let is_refused = request.extensions().get::<Unauthorized>().is_some();
        match self.credential.cached_token().filter(|_| !is_refused) {
            Some(token) => {
                let exchange = self.send_with(request, &token);
                Box::pin(async move { exchange?.await.map(|response| received(response, token)) })
            }
            None => Box::pin(async move {
                let token = self.token(&mut request).await.map_err(without_token)?;
                let exchange = self.send_with(request, &token)?;
                exchange.await.map(|response| received(response, token))
            }),
        }
    }
}

impl<T: Transport> Authorized<T> {
    /// Sends the request with this token.
    fn send_with(&self, mut request: Request<Bytes>, token: &AccessToken) -> Result<SendFuture<'_>, Error> {
        authorize(request.headers_mut(), token.header().map_err(without_token)?);
        Ok(self.inner.send(request))
    }
}

/// Takes an echo of the token out of a response, and leaves the token with a response that refuses it.
fn received(mut response: Response<Body>, token: AccessToken) -> Response<Body> {
    scrub(&mut response, &token);
    if response.status() == StatusCode::UNAUTHORIZED {
        response.extensions_mut().insert(Refused(token));
    }
    response
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
    // No encoding of a token is shorter than the token.
    let may_have = body.len() >= length && has_echo(body, token.secret().as_bytes());
    if response.status().is_success() && is_json && !may_have {
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
    const LOWER: u8 = 0x20;
    let end = token.get(token.len().saturating_sub(END)..).unwrap_or(token);
    if body.len() > SHORT || end.is_empty() {
        return false;
    }
    // The last three bytes are looked for first, with a fold that does not end early, so that the compiler checks many bytes at
    // once: of the 112,000 instructions of a call this saves 7,000. Setting the bit of lower case is enough for a first look, and takes
    // 390 less than comparing with both cases.
    let may_have = match end {
        [.., first, second, third] => {
            let is = |byte: u8, of: u8| byte | LOWER == of | LOWER;
            let after = |places: usize| body.get(places..).unwrap_or_default();
            let triples = body.iter().zip(after(1)).zip(after(2));
            triples.fold(false, |any, ((a, b), c)| any | (is(*a, *first) & is(*b, *second) & is(*c, *third)))
        }
        _ => true,
    };
    may_have && body.windows(end.len()).any(|text| text.eq_ignore_ascii_case(end))
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
mod tests;
