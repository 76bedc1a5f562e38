//! OAuth 2.0 over our own transport: the one module that names the `oauth2` crate.

pub(crate) mod entra_error;

mod client_credentials;
#[cfg(feature = "browser")]
mod code;
mod device;
mod exchange;
mod response;
mod retry;
mod user;

use std::sync::Arc;

use defender_transport::{Clock, Retry, Transport};
use http::Uri;
use oauth2::{
    AuthType, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet, StandardRevocableToken, TokenUrl,
    basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};

#[cfg(feature = "browser")]
pub(crate) use self::code::{Returned, SignIn};
pub(crate) use self::{device::Polled, user::Granted};
use self::{
    exchange::Exchange,
    response::{Refusal, TokenAnswer},
};
use crate::{CredentialContext, Error, ErrorKind, secret::Secret};

/// Marks that replace each secret in a form until it is sent. `oauth2` keeps its values in memory that nobody
/// wipes, so it gets no secret. The first is the proof's.
const MARKS: [&str; 3] = ["__secret_0__", "__secret_1__", "__secret_2__"];

/// Name of the token endpoint's path in traces.
const TOKEN: &str = "/{tenant}/oauth2/v2.0/token";

/// Proof of an application's identity, as it is sent.
#[derive(Debug)]
pub(crate) enum ClientAuthParams {
    /// Nothing: a public client.
    Nothing,
    /// Its secret.
    Secret(Secret),
    /// A JWT that it signed, or that somebody it trusts did.
    Assertion(Secret),
}

impl ClientAuthParams {
    fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Nothing => None,
            Self::Secret(secret) | Self::Assertion(secret) => Some(secret),
        }
    }

    /// The parameters that `oauth2` does not know, with a mark in the place of the assertion.
    fn parameters(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Nothing | Self::Secret(_) => Vec::new(),
            Self::Assertion(_) => vec![
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", MARKS[0]),
            ],
        }
    }
}

/// A tenant's token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct TokenEndpoint {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    retry: Retry,
    /// Size limit of a response, in bytes.
    limit: usize,
    url: TokenUrl,
    audience: String,
}

impl TokenEndpoint {
    /// The endpoint of `tenant`, at the context's authority, or at the one that the environment `named`.
    pub(crate) fn new(context: &CredentialContext, tenant: &str, named: Option<&str>) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(ErrorKind::Configuration).context(what);
        // The tenant becomes a segment of the path, so nothing else may hide in it.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if tenant.is_empty() || tenant.starts_with('.') || !tenant.bytes().all(allowed) {
            return Err(wrong(format!(
                "the tenant `{}` is neither an id nor a domain: letters, digits, `-` and `.` are allowed; give the tenant's id",
                tenant.escape_debug()
            )));
        }
        let authority = context.authority_for(named)?;
        let authority = authority.trim_end_matches('/');
        // Parsers differ in the part of such a URL that they take for the host.
        if authority.contains(['@', '?', '#', '\\']) {
            return Err(wrong("the authority is more than a scheme, a host and a path".to_owned()));
        }
        let uri: Uri = authority
            .parse()
            .map_err(|source| wrong(format!("the authority `{authority}` is not a URL")).caused_by(source))?;
        if uri.scheme_str() != Some("https") || uri.host().is_none_or(str::is_empty) {
            return Err(wrong(format!("the authority `{authority}` must be a URL that begins with https://")));
        }
        let url = TokenUrl::new(format!("{authority}/{tenant}/oauth2/v2.0/token"))
            .map_err(|source| wrong(format!("the authority `{authority}` is not a URL")).caused_by(source))?;
        let audience = context.audience.strip_suffix("/.default").unwrap_or(&context.audience).to_owned();
        if audience.trim().is_empty() {
            return Err(wrong("the audience is empty".to_owned()));
        }
        let (transport, clock) = (exchange::bounded(context), Arc::clone(&context.clock));
        Ok(Self { transport, clock, retry: context.retry, limit: context.token_limit, url, audience })
    }

    /// The clock by which tokens end.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The URL, which is the audience of a client's assertion.
    #[cfg(feature = "certificate")]
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The URL of another endpoint beside this one.
    fn sibling(&self, name: &str) -> String {
        let url = self.url.as_str();
        format!("{}{name}", url.strip_suffix("token").unwrap_or(url))
    }

    /// The scope that stands for every permission that was granted. A slash at the end of the audience counts.
    fn default_scope(&self) -> String {
        format!("{}/.default", self.audience)
    }

    /// `oauth2`'s client for this endpoint.
    fn client(&self, client_id: &str, proof: &ClientAuthParams) -> EntraClient {
        let client = Client::new(ClientId::new(client_id.to_owned()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.url.clone());
        match proof {
            ClientAuthParams::Secret(_) => client.set_client_secret(ClientSecret::new(MARKS[0].to_owned())),
            ClientAuthParams::Nothing | ClientAuthParams::Assertion(_) => client,
        }
    }

    /// An exchange with this endpoint, in which `proof` goes out in the place of the first mark.
    fn exchange(&self, proof: &ClientAuthParams) -> Exchange<'_> {
        let nothing = Secret::new("");
        Exchange::new(self, TOKEN).hiding(proof.secret().unwrap_or(&nothing))
    }
}

/// `oauth2`'s client with a token endpoint, and with the responses that Entra gives.
type EntraClient = Client<
    Refusal,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;
