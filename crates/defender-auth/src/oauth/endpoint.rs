//! The token endpoint of a tenant.

use std::sync::Arc;

use defender_transport::{Clock, Retry, Transport, TransportExt};
use http::Uri;
use oauth2::{
    AuthType, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet, StandardRevocableToken, TokenUrl,
    basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};

use super::response::{Refusal, TokenAnswer};
use crate::{CredentialContext, Error, ErrorKind, secret::Secret};

/// Marks that replace each secret in a form until it is sent. `oauth2` keeps its values in memory that nobody
/// wipes, so it gets no secret. The first is the proof's.
pub(super) const MARKS: [&str; 3] = ["__secret_0__", "__secret_1__", "__secret_2__"];

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
    pub(super) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Nothing => None,
            Self::Secret(secret) | Self::Assertion(secret) => Some(secret),
        }
    }

    /// The parameters that `oauth2` does not know, with a mark in the place of the assertion.
    pub(super) fn parameters(&self) -> Vec<(&'static str, &'static str)> {
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
    pub(super) transport: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) retry: Retry,
    /// Size limit of a response, in bytes.
    pub(super) limit: usize,
    pub(super) url: TokenUrl,
    pub(super) audience: String,
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
        let (transport, clock) = (bounded(context), Arc::clone(&context.clock));
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
    pub(super) fn sibling(&self, name: &str) -> String {
        let url = self.url.as_str();
        format!("{}{name}", url.strip_suffix("token").unwrap_or(url))
    }

    /// The scope that stands for every permission that was granted. A slash at the end of the audience counts.
    pub(super) fn default_scope(&self) -> String {
        format!("{}/.default", self.audience)
    }

    /// `oauth2`'s client for this endpoint.
    pub(super) fn client(&self, client_id: &str, proof: &ClientAuthParams) -> EntraClient {
        let client = Client::new(ClientId::new(client_id.to_owned()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.url.clone());
        match proof {
            ClientAuthParams::Secret(_) => client.set_client_secret(ClientSecret::new(MARKS[0].to_owned())),
            ClientAuthParams::Nothing | ClientAuthParams::Assertion(_) => client,
        }
    }
}

/// `oauth2`'s client with a token endpoint, and with the responses that Entra gives.
pub(super) type EntraClient = Client<
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

/// The context's transport, which ends an exchange that takes too long.
fn bounded(context: &CredentialContext) -> Arc<dyn Transport> {
    Arc::clone(&context.transport).deadline(Arc::clone(&context.clock)).shared()
}
