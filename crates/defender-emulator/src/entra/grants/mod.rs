//! The ways to a token beside an application's secret: certificates and federated tokens, on behalf of a user, codes for
//! devices and browsers, refresh tokens, and managed identities.
//!
//! Sources, all below <https://learn.microsoft.com/entra/identity-platform>: `certificate-credentials`,
//! `v2-oauth2-on-behalf-of-flow`, `v2-oauth2-device-code`, `v2-oauth2-auth-code-flow`, `refresh-tokens`; of managed
//! identities `entra/identity/managed-identities-azure-resources/how-to-use-vm-token`.
//!
//! A user's token has `scp` in the place of the application's `roles`, and the user's name.

mod assertion;
mod browser;
mod device;
mod discovery;
mod federation;
mod form;
mod id_token;
mod managed_identity;
mod owner;
mod state;
mod token;
mod wanted;

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use http::{Method, Request, StatusCode, Uri, uri::Authority};

pub use self::assertion::AssertionUse;
pub(crate) use self::state::{Certificate, Federation, Grants};
use self::{form::Form, wanted::Version};
use crate::{http::route::answering, service::Service};

const LARGEST_BODY: usize = 1 << 20;

/// Where the metadata service of a virtual machine answers.
const IMDS: &str = "/metadata/identity/oauth2/token";
/// Where App Service does, which each host of its has to itself: `IDENTITY_ENDPOINT` says.
const APP_SERVICE: &str = "/msi/token";

/// Answers what is one of these grants; gives back what is not.
pub(crate) async fn answer(service: &Service, request: Request<Body>) -> Result<Response, Request<Body>> {
    if is_of_identities(service, request.uri()) {
        return Ok(identity(service, &request));
    }
    let path = request.uri().path().to_ascii_lowercase();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let query = Form::read(request.uri().query().unwrap_or_default());
    match (answering(request.method()), segments.as_slice()) {
        (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            Ok(discovery::configuration(service, tenant, Version::V2))
        }
        (&Method::GET, [tenant, ".well-known", "openid-configuration"]) => {
            Ok(discovery::configuration(service, tenant, Version::V1))
        }
        (&Method::GET, [tenant, "discovery", "instance"]) => Ok(discovery::instance(service, tenant)),
        (&Method::GET, [_, "discovery", "v2.0", "keys"] | [_, "discovery", "keys"]) => Ok(discovery::keys(service)),
        (&Method::GET, [tenant, "oauth2", "v2.0", "authorize"]) => {
            Ok(browser::authorize(service, (tenant, Version::V2), &query))
        }
        (&Method::GET, [tenant, "oauth2", "authorize"]) => {
            Ok(browser::authorize(service, (tenant, Version::V1), &query))
        }
        (&Method::POST, [tenant, "oauth2", "v2.0", what @ ("token" | "devicecode")]) => {
            posted(service, (tenant, Version::V2), what, request).await
        }
        (&Method::POST, [tenant, "oauth2", what @ ("token" | "devicecode")]) => {
            posted(service, (tenant, Version::V1), what, request).await
        }
        _ => Err(request),
    }
}

/// Answers a form; gives back what is not one of these grants.
async fn posted(
    service: &Service,
    endpoint: (&str, Version),
    what: &str,
    request: Request<Body>,
) -> Result<Response, Request<Body>> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let form = Form::read(&String::from_utf8_lossy(&body));
    let answer = match what {
        "devicecode" => Some(device::begin(service, endpoint, &form)),
        _ => token::answer(service, endpoint, &form),
    };
    answer
        .ok_or_else(|| Request::from_parts(head, Body::from(body)))
        .map(|answer| answer.unwrap_or_else(|error| error.at(service.clock.now(), &service.base_url)))
}

/// Answers at the plain listener: as the host of managed identities, and as nothing else.
pub(crate) async fn of_identities(service: Arc<Service>, mut request: Request<Body>) -> Response {
    // msal-node puts a slash behind it.
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path);
    if path != IMDS && path != APP_SERVICE {
        return StatusCode::NOT_FOUND.into_response();
    }
    // What a server is asked for has no host in it, and by that this one is told from the API.
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let whole = format!("{}{path}{query}", service.identity_url).parse();
    *request.uri_mut() = whole.unwrap_or_default();
    crate::endpoints::answer(service, request).await
}

/// Whether a request came to the host of managed identities.
fn is_of_identities(service: &Service, uri: &Uri) -> bool {
    let host = service.identity_url.split_once("://").map(|(_, host)| host);
    host.is_some() && uri.authority().map(Authority::as_str) == host
}

fn identity(service: &Service, request: &Request<Body>) -> Response {
    let query = Form::read(request.uri().query().unwrap_or_default());
    match (answering(request.method()), request.uri().path()) {
        (&Method::GET, IMDS) => managed_identity::imds(service, request.headers(), &query),
        (&Method::GET, APP_SERVICE) => managed_identity::app_service(service, request.headers(), &query),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
