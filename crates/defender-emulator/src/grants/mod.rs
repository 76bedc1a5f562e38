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
mod form;
mod managed_identity;
mod owner;
mod state;
mod token;

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use http::{Method, Request};

use self::form::Form;
pub(crate) use self::state::Grants;
use crate::service::Service;

const LARGEST_BODY: usize = 1 << 20;

/// Answers what is one of these grants; gives back what is not.
pub(crate) async fn answer(service: &Service, request: Request<Body>) -> Result<Response, Request<Body>> {
    let path = request.uri().path().to_ascii_lowercase();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let query = Form::read(request.uri().query().unwrap_or_default());
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["metadata", "identity", "oauth2", "token"]) => {
            Ok(managed_identity::imds(service, request.headers(), &query))
        }
        (&Method::GET, ["msi", "token"]) => Ok(managed_identity::app_service(service, request.headers(), &query)),
        (&Method::GET, [tenant, "oauth2", "v2.0", "authorize"]) => Ok(browser::authorize(service, tenant, &query)),
        (&Method::POST, [tenant, "oauth2", "v2.0", what @ ("token" | "devicecode")]) => {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
            let form = Form::read(&String::from_utf8_lossy(&body));
            let answer = match *what {
                "devicecode" => Some(device::begin(service, tenant, &form)),
                _ => token::answer(service, tenant, &form),
            };
            answer
                .ok_or_else(|| Request::from_parts(head, Body::from(body)))
                .map(|answer| answer.unwrap_or_else(|error| error.at(service.clock.now(), &service.base_url)))
        }
        _ => Err(request),
    }
}
