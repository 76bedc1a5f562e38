//! OAuth 2.0 over our own transport: the one module that names the `oauth2` crate.

mod answer;

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use defender_transport::{
    Clock, Transport,
    extensions::{Resend, UrlTemplate},
};
use http::{Response, StatusCode, Uri};
use oauth2::{
    AuthType, Client, ClientId, ClientSecret, EndpointNotSet, HttpRequest, HttpResponse, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse, TokenUrl,
    basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};

use self::answer::TokenAnswer;
use crate::{AccessToken, Context, EntraError, Error, ErrorKind, secret::Secret};

/// A token's answer is small; one that is not is refused.
const BODY_LIMIT: usize = 1 << 20;

/// Used where an answer does not say how long its token lives, which RFC 6749 allows and Entra never does.
const UNSAID_LIFETIME: Duration = Duration::from_secs(600);

/// A tenant's token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct TokenEndpoint {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    url: TokenUrl,
    scope: String,
}

impl TokenEndpoint {
    pub(crate) fn new(context: &Context, tenant: &str) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(ErrorKind::Configuration).context(what);
        // The tenant becomes a segment of the path, so nothing else may hide in it.
        if tenant.is_empty() || !tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            return Err(wrong(format!(
                "the tenant `{}` is neither an id nor a domain: letters, digits, `-` and `.` are allowed",
                tenant.escape_debug()
            )));
        }
        let authority = context.authority.trim_end_matches('/');
        let uri: Uri = authority
            .parse()
            .map_err(|source| wrong(format!("the authority `{authority}` is not a URL")).caused_by(source))?;
        if uri.scheme_str() != Some("https") || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(wrong(format!("the authority `{authority}` must be a URL that begins with https://")));
        }
        let url = TokenUrl::new(format!("{authority}/{tenant}/oauth2/v2.0/token"))
            .map_err(|source| wrong(format!("the authority `{authority}` is not a URL")).caused_by(source))?;
        if context.audience.trim().is_empty() {
            return Err(wrong("the audience is empty".to_owned()));
        }
        let scope = match context.audience.strip_suffix("/.default") {
            Some(_) => context.audience.clone(),
            None => format!("{}/.default", context.audience), // A slash at the end of the audience counts.
        };
        Ok(Self { transport: Arc::clone(&context.transport), clock: Arc::clone(&context.clock), url, scope })
    }

    /// The clock by which tokens end.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The grant `client_credentials` with a secret.
    pub(crate) async fn client_secret(
        &self,
        client_id: &str,
        secret: &Secret,
        claims: Option<&str>,
    ) -> Result<AccessToken, Error> {
        // Before the sending, so that the token ends no later than the issuer thinks.
        let asked = self.clock.now();
        let client = EntraClient::new(ClientId::new(client_id.to_owned()))
            .set_client_secret(ClientSecret::new(secret.reveal().to_owned()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.url.clone());
        let mut exchange = client.exchange_client_credentials().add_scope(Scope::new(self.scope.clone()));
        if let Some(claims) = claims {
            exchange = exchange.add_extra_param("claims", claims);
        }
        let answer = exchange.request_async(&OverTransport(&*self.transport)).await.map_err(told)?;
        let ends = |after: Duration| {
            asked.checked_add(after).map_err(|source| {
                Error::new(ErrorKind::Response).context("its lifetime is beyond all dates").caused_by(source)
            })
        };
        let token = AccessToken::new(
            answer.access_token().secret().as_str(),
            ends(answer.expires_in().unwrap_or(UNSAID_LIFETIME))?,
        );
        Ok(match answer.refresh_in {
            Some(refresh_in) => token.refresh_on(ends(Duration::from_secs(refresh_in))?),
            None => token,
        })
    }
}

/// `oauth2`'s client with the answers that Entra gives.
type EntraClient<
    HasAuthUrl = EndpointNotSet,
    HasDeviceAuthUrl = EndpointNotSet,
    HasIntrospectionUrl = EndpointNotSet,
    HasRevocationUrl = EndpointNotSet,
    HasTokenUrl = EndpointNotSet,
> = Client<
    EntraError,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    HasAuthUrl,
    HasDeviceAuthUrl,
    HasIntrospectionUrl,
    HasRevocationUrl,
    HasTokenUrl,
>;

/// `oauth2`'s error as ours. Its own goes no further: a parse error of its carries the whole answer.
fn told(error: RequestTokenError<Error, EntraError>) -> Error {
    match error {
        RequestTokenError::ServerResponse(entra) => Error::refused(entra),
        RequestTokenError::Request(error) => error,
        RequestTokenError::Parse(at, _answer) => Error::new(ErrorKind::Response).context(format!("at `{}`", at.path())),
        RequestTokenError::Other(what) => Error::new(ErrorKind::Response).context(what),
    }
}

/// A transport as `oauth2` wants one. It is a type of its own because a closure's future is not general enough inside a
/// boxed one.
struct OverTransport<'t>(&'t dyn Transport);

impl<'c> oauth2::AsyncHttpClient<'c> for OverTransport<'_> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut request = request.map(Bytes::from);
            // Asking for a token twice gives two tokens, and does nothing else.
            request.extensions_mut().insert(Resend::Safe);
            request.extensions_mut().insert(UrlTemplate("/{tenant}/oauth2/v2.0/token".into()));
            let unreached = |error: defender_transport::Error| Error::new(ErrorKind::Transport).caused_by(error);
            let (head, body) = self.0.send(request).await.map_err(unreached)?.into_parts();
            let body = body.collect(BODY_LIMIT).await.map_err(unreached)?;
            explained(head.status, &body)?;
            Ok(Response::from_parts(head, body.to_vec()))
        })
    }
}

/// Refuses what `oauth2` would call a broken answer, while its status is still known.
fn explained(status: StatusCode, body: &[u8]) -> Result<(), Error> {
    if status == StatusCode::OK || serde_json::from_slice::<EntraError>(body).is_ok() {
        return Ok(());
    }
    // The body stays out: it may echo what was sent.
    let what = match status.as_u16() {
        300..=399 => "a redirect, and no secret follows one; check the authority",
        407 => "a proxy wants to be told who asks",
        429 => "too many requests for tokens; wait, and keep the token that you have",
        500..=599 => "the endpoint is in trouble; try again later",
        _ => "no OAuth error; is this really a token endpoint? Check the authority",
    };
    Err(Error::new(ErrorKind::Response).context(format!("status {}, {what}", status.as_u16())))
}
