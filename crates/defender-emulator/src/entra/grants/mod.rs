//! The ways to a token beside an application's secret: certificates and federated tokens, on behalf of a user, codes for
//! devices and browsers, refresh tokens, and managed identities.
//!
//! Sources, all below <https://learn.microsoft.com/entra/identity-platform>: `certificate-credentials`,
//! `v2-oauth2-on-behalf-of-flow`, `v2-oauth2-device-code`, `v2-oauth2-auth-code-flow`, `refresh-tokens`; of managed
//! identities `entra/identity/managed-identities-azure-resources/how-to-use-vm-token`.
//!
//! A user's token has `scp` in the place of the application's `roles`, and the user's name.

mod application;
mod assertion;
mod browser;
mod client_credentials;
mod device;
mod discovery;
mod federation;
mod form;
mod id_token;
mod jwt;
mod managed_identity;
mod owner;
mod token;
mod wanted;

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use http::{Method, Request, StatusCode, Uri, uri::Authority};

use self::{form::Form, wanted::Version};
use crate::{http::route::answering, service::Service};

const LARGEST_BODY: usize = 1 << 20;

/// The path of a virtual machine's metadata service.
pub(crate) const IMDS: &str = "/metadata/identity/oauth2/token";
/// The path of App Service's endpoint, which each of its hosts has to itself: `IDENTITY_ENDPOINT` has it.
pub(crate) const APP_SERVICE: &str = "/msi/token";

/// Handles a request of a sign-in; returns any other request.
pub(crate) async fn respond(service: &Service, request: Request<Body>) -> Result<Response, Request<Body>> {
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
            Ok(posted(service, (tenant, Version::V2), what, request).await)
        }
        (&Method::POST, [tenant, "oauth2", what @ ("token" | "devicecode")]) => {
            Ok(posted(service, (tenant, Version::V1), what, request).await)
        }
        _ => Err(request),
    }
}

/// Handles a form.
async fn posted(service: &Service, endpoint: (&str, Version), what: &str, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let response = Form::posted(&head.headers, &body).and_then(|form| match what {
        "devicecode" => device::begin(service, endpoint, &form),
        _ => token::respond(service, endpoint, &form)
            .unwrap_or_else(|| client_credentials::respond(service, endpoint, &form)),
    });
    response.unwrap_or_else(|error| error.at(service.clock.now(), &service.base_url))
}

/// Returns `true` if a request came to the host of managed identities.
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
