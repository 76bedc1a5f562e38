//! The endpoints of a virtual machine and of App Service. The real ones speak http on the machine's own link.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{form::Form, token::access_token};
use crate::service::Service;

fn respond(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string()).into_response()
}

/// Returns the defect of a request for either. Versions are dates, and `oldest` is the first that is accepted.
fn wrong(service: &Service, query: &Form, oldest: &str) -> Option<&'static str> {
    let is_date = |version: &str| version.parse::<jiff::civil::Date>().is_ok();
    if !query.get("api-version").is_some_and(|version| is_date(version) && version >= oldest) {
        return Some("Required query variable 'api-version' is missing or not supported");
    }
    (!query.get("resource").is_some_and(|resource| service.knows(resource)))
        .then_some("AADSTS500011: The resource principal was not found in the tenant")
}

/// The metadata service of a virtual machine, which has an identity of its own and none besides.
pub(super) fn imds(service: &Service, headers: &HeaderMap, query: &Form) -> Response {
    let refused = |error: &str, text: &str| {
        respond(StatusCode::BAD_REQUEST, &json!({ "error": error, "error_description": text }))
    };
    if headers.get("metadata").is_none_or(|value| value != "true") {
        return refused("bad_request_102", "Required metadata header not specified");
    }
    if headers.contains_key("x-forwarded-for") {
        return refused("bad_request", "The request came through a proxy");
    }
    if let Some(text) = wrong(service, query, "2018-02-01") {
        return refused("invalid_request", text);
    }
    if ["client_id", "object_id", "msi_res_id"].iter().any(|name| query.get(name).is_some()) {
        return refused("invalid_request", "Identity not found");
    }
    let resource = query.get("resource").unwrap_or_default();
    let Ok((token, lifetime)) = access_token(service, resource) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let now = service.clock.now().as_second();
    let body = json!({
        "access_token": token,
        "refresh_token": "",
        "expires_in": lifetime.as_secs().to_string(),
        "expires_on": now.saturating_add_unsigned(lifetime.as_secs()).to_string(),
        "not_before": now.to_string(),
        "resource": resource,
        "token_type": "Bearer",
    });
    respond(StatusCode::OK, &body)
}

/// App Service.
pub(super) fn app_service(service: &Service, headers: &HeaderMap, query: &Form) -> Response {
    let refused = |status: StatusCode, text: &str| {
        respond(status, &json!({ "statusCode": status.as_u16(), "message": text, "correlationId": "" }))
    };
    if headers.get("x-identity-header").is_none_or(|value| value != service.grants.identity_header.as_str()) {
        return refused(StatusCode::UNAUTHORIZED, "The X-IDENTITY-HEADER is missing or wrong");
    }
    if let Some(text) = wrong(service, query, "2019-08-01") {
        return refused(StatusCode::BAD_REQUEST, text);
    }
    if ["client_id", "principal_id", "mi_res_id"].iter().any(|name| query.get(name).is_some()) {
        return refused(StatusCode::BAD_REQUEST, "No User Assigned or Delegated Managed Identity found");
    }
    let resource = query.get("resource").unwrap_or_default();
    let Ok((token, lifetime)) = access_token(service, resource) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let body = json!({
        "access_token": token,
        "expires_on": service.clock.now().as_second().saturating_add_unsigned(lifetime.as_secs()).to_string(),
        "resource": resource,
        "token_type": "Bearer",
        "client_id": service.identity.client_id,
    });
    respond(StatusCode::OK, &body)
}
