//! One exchange with an endpoint of Entra's, over our own transport.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Clock, Secrets, Transport,
    extensions::{Idempotency, Timeouts, UrlTemplate},
};
use http::{Request, Response, StatusCode, header};
use oauth2::{HttpRequest, HttpResponse, RequestTokenError, TokenUrl, url::form_urlencoded};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    endpoint::{ClientAuthParams, MARKS, TokenEndpoint},
    response::{Refusal, TokenAnswer},
};
use crate::{
    EntraError, Error, ErrorKind, json,
    secret::{Received, Secret},
};

/// Name of the token endpoint's path in traces.
const TOKEN: &str = "/{tenant}/oauth2/v2.0/token";

/// From sending the request to the last byte of the response.
const AT_MOST: Duration = Duration::from_secs(60);

/// The fields of a response that are secret, and the mark that `oauth2` gets in the place of each.
const RECEIVED: [(&str, &str); 4] = [
    ("access_token", "__received_0__"),
    ("refresh_token", "__received_1__"),
    ("device_code", "__received_2__"),
    ("id_token", "__received_3__"),
];

const NO_JSON: &str =
    "it is empty or not JSON; check the authority, and whether a proxy or portal responds in its place";
const NO_TOKEN: &str = "check the authority, and whether a proxy or portal responds in its place";

/// One exchange in the form that `oauth2` requires, with the secrets that it sends: no error shows one of them.
///
/// It is a type of its own because a closure's future is not general enough inside a boxed one.
pub(super) struct Exchange<'t> {
    transport: &'t dyn Transport,
    clock: &'t dyn Clock,
    limit: usize,
    template: &'static str,
    /// In the order of their marks.
    secrets: Vec<Secret>,
    /// Texts that no error may show: the secrets, and each as it stands in a form.
    hidden: Vec<Secret>,
    /// Secrets of the response, in the order of [`RECEIVED`].
    received: Mutex<[Option<Secret>; RECEIVED.len()]>,
}

impl TokenEndpoint {
    /// An exchange with this endpoint, in which `proof` goes out in the place of the first mark.
    pub(super) fn exchange(&self, proof: &ClientAuthParams) -> Exchange<'_> {
        let nothing = Secret::new("");
        Exchange::new(self, TOKEN).hiding(proof.secret().unwrap_or(&nothing))
    }
}

impl<'t> Exchange<'t> {
    pub(super) fn new(endpoint: &'t TokenEndpoint, template: &'static str) -> Self {
        let (transport, clock, limit) = (&*endpoint.transport, &*endpoint.clock, endpoint.limit);
        let (secrets, hidden, received) = (Vec::new(), Vec::new(), Mutex::default());
        Self { transport, clock, limit, template, secrets, hidden, received }
    }

    /// Names a secret that goes out with it, in the place of the next of the [`MARKS`].
    pub(super) fn hiding(mut self, secret: &Secret) -> Self {
        // An endpoint may echo the form as it came, in another encoding.
        let mut encoded = String::with_capacity(secret.reveal().len().saturating_mul(3)); // It would leave parts behind where it grows.
        encoded.extend(form_urlencoded::byte_serialize(secret.reveal().as_bytes()));
        self.hidden.extend([secret.clone(), Secret::new(encoded)]);
        self.secrets.push(secret.clone());
        self
    }

    /// Converts `oauth2`'s error. The original is dropped: its parse errors hold the whole response.
    pub(super) fn told(&self, error: RequestTokenError<Error, Refusal>) -> Error {
        let response = |what: &str| Error::new(ErrorKind::Response).context(what);
        match error {
            RequestTokenError::ServerResponse(Refusal(entra)) => Error::refused(entra.without(&self.hidden)),
            RequestTokenError::Request(error) => error,
            RequestTokenError::Parse(at, _answer) => {
                let at = at.path().to_string();
                let place = if at == "." { String::new() } else { format!(" at `{at}`") };
                response(&Secret::without(format!("it is no token{place}; {NO_TOKEN}"), &self.hidden))
            }
            // Its text may hold a header of the response.
            RequestTokenError::Other(_) => response(NO_JSON),
        }
    }

    /// Asks for a token by a grant that `oauth2` does not know.
    pub(super) async fn post(&self, url: &TokenUrl, form: &[(&str, &str)]) -> Result<TokenAnswer, Error> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into_bytes())
            .map_err(|source| Error::new(ErrorKind::Configuration).context("of its URL").caused_by(source))?;
        let response = self.send(request).await?;
        json::read(response.body())
            .ok_or_else(|| Error::new(ErrorKind::Response).context(format!("it lacks what a token has; {NO_TOKEN}")))
    }

    /// Secret of the response that this mark stands for.
    pub(super) fn received(&self, mark: &str) -> Option<Secret> {
        let place = RECEIVED.iter().position(|(_, known)| *known == mark)?;
        self.received.lock().unwrap_or_else(PoisonError::into_inner).get(place)?.clone()
    }

    /// A response without its secrets, which are kept, and with a mark in the place of each: `oauth2` keeps what it is given in
    /// memory that nobody wipes.
    fn masked(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let unreadable = || {
            let what = if body.is_empty() { NO_JSON.to_owned() } else { format!("it is no token; {NO_TOKEN}") };
            Error::new(ErrorKind::Response).context(what)
        };
        let mut fields: Map<String, Value> = json::read(body).ok_or_else(unreadable)?;
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        for ((name, mark), place) in RECEIVED.iter().zip(received.iter_mut()) {
            if let Some(Value::String(text)) = fields.get_mut(*name) {
                *place = Some(Secret::new(std::mem::replace(text, (*mark).to_owned())));
            }
        }
        serde_json::to_vec(&fields).map_err(|_| unreadable())
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let mut request = request.map(|form| self.filled(&form));
        // The grant decides whether and how to retry: see `RetryLoop`.
        request.extensions_mut().insert(Idempotency::NonIdempotent);
        request.extensions_mut().insert(Secrets::new(self.hidden.iter().map(Secret::reveal)));
        request.extensions_mut().insert(UrlTemplate(self.template.into()));
        request.extensions_mut().insert(Timeouts::default().total(AT_MOST));
        let (mut head, body) = self.transport.send(request).await.map_err(Error::unreached)?.into_parts();
        let body = Received::from(body.collect(self.limit).await.map_err(Error::unreached)?);
        if head.status == StatusCode::OK {
            // JSON is detected by its content: `oauth2` would go by the `Content-Type`, and knows no byte order mark.
            head.headers.remove(header::CONTENT_TYPE);
            return Ok(Response::from_parts(head, self.masked(&body)?));
        }
        let error = match json::read::<EntraError>(&body) {
            Some(entra) => Error::refused(entra.without(&self.hidden)),
            None => explained(head.status),
        };
        Err(error.with_status(head.status, defender_transport::retry_after(&head.headers, self.clock.now())))
    }
}

impl Exchange<'_> {
    /// The form with the secrets in the place of their marks, in memory that is wiped.
    fn filled(&self, form: &[u8]) -> Bytes {
        let form = String::from_utf8_lossy(form);
        let of = |value: &str| MARKS.iter().position(|mark| *mark == value).and_then(|place| self.secrets.get(place));
        let pairs = || form.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        // A secret that had to move while the form grew would stay behind.
        let room = pairs().map(|(name, value)| {
            name.len()
                .saturating_add(of(value).map_or(value.len(), |secret| secret.reveal().len().saturating_mul(3)))
                .saturating_add(2)
        });
        let mut filled = Zeroizing::new(Vec::with_capacity(room.sum()));
        for (name, value) in pairs() {
            if !filled.is_empty() {
                filled.push(b'&');
            }
            filled.extend_from_slice(name.as_bytes());
            filled.push(b'=');
            match of(value) {
                Some(secret) => {
                    let pieces = form_urlencoded::byte_serialize(secret.reveal().as_bytes());
                    pieces.for_each(|piece| filled.extend_from_slice(piece.as_bytes()));
                }
                None => filled.extend_from_slice(value.as_bytes()),
            }
        }
        Bytes::from_owner(filled)
    }
}

impl<'c> oauth2::AsyncHttpClient<'c> for Exchange<'_> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// A response that is neither a token nor an OAuth error. The body stays out: it may echo what was sent.
fn explained(status: StatusCode) -> Error {
    let what = match status.as_u16() {
        200..=299 => "no token comes with this status; check the authority",
        300..=399 => "a redirect, and no secret follows one; check the authority",
        407 => "a proxy asks for a user and a password; put them into the proxy's URL",
        403 | 511 => {
            "not the endpoint's own; a proxy or portal seems to refuse this, so ask for the host to be let through"
        }
        429 => "too many requests for tokens; wait, and keep the token that you have",
        500..=599 => "the endpoint is in trouble; try again later",
        _ => "no OAuth error; is this really a token endpoint? Check the authority",
    };
    Error::new(ErrorKind::Response).context(format!("status {}, {what}", status.as_u16()))
}
