//! The grant of an application with a secret.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{application::check_tenant, form::Form, wanted::Version};
use crate::{
    entra::{
        error::{EntraError, HEADERS},
        jwt::Claims,
    },
    service::Service,
};

/// Gives a token to an application that proves itself by a secret; no other grant gets this far.
pub(super) fn respond(
    service: &Service,
    (tenant, version): (&str, Version),
    headers: &HeaderMap,
    form: &Form,
) -> Result<Response, EntraError> {
    let (identity, is_v1) = (&service.identity, version == Version::V1);
    check_tenant(service, tenant)?;
    let grant = form.need("grant_type")?;
    if grant != "client_credentials" {
        let text = format!("The app requested an unsupported grant type '{grant}'.");
        return Err(EntraError::bad("unsupported_grant_type", 70_003, text));
    }
    let given = |name| form.get(name).map(str::to_owned);
    let (client_id, secret) = basic(headers).unwrap_or_else(|| (given("client_id"), given("client_secret")));
    let client_id = client_id.filter(|id| !id.is_empty()).ok_or_else(|| EntraError::missing("client_id"))?;
    // The older endpoint knows no scopes, and the newer one no resources.
    let wanted = form.need(if is_v1 { "resource" } else { "scope" })?;
    let resource = if is_v1 { wanted } else { resource(wanted)? };
    if !client_id.eq_ignore_ascii_case(&identity.client_id) {
        let text = format!("Application with identifier '{client_id}' was not found in the directory '{tenant}'.");
        return Err(EntraError::bad("unauthorized_client", 700_016, text));
    }
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(EntraError::invalid_client(7_000_218, text));
    };
    if secret != identity.client_secret {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client_id}'."
        );
        return Err(EntraError::invalid_client(7_000_215, text));
    }
    if !service.knows(resource) {
        let text = format!("The resource principal named {resource} was not found in the tenant named {tenant}.");
        return Err(EntraError::bad("invalid_resource", 500_011, text));
    }
    issue(service, is_v1, resource)
}

/// Returns the resource of an application's one scope. The slash of a name that ends in one belongs to it.
fn resource(scope: &str) -> Result<&str, EntraError> {
    let resource = scope.strip_suffix("/.default").filter(|resource| !resource.is_empty() && !resource.contains(' '));
    resource.ok_or_else(|| {
        let text = format!(
            "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid: client \
             credential flows must have one scope, with /.default behind the resource identifier."
        );
        EntraError::bad("invalid_scope", 70_011, text)
    })
}

fn issue(service: &Service, is_v1: bool, resource: &str) -> Result<Response, EntraError> {
    let lifetime = service.settings.token_lifetime.as_secs();
    let claims = Claims::of_application(service, resource);
    let token = service.key.sign(&claims);
    let token = token.map_err(|error| EntraError::bad("server_error", 90_033, error.to_string()))?;
    if is_v1 {
        // Its numbers are strings, and it has more of them.
        let body = json!({
            "token_type": "Bearer",
            "expires_in": lifetime.to_string(),
            "ext_expires_in": lifetime.to_string(),
            "expires_on": claims.exp.to_string(),
            "not_before": claims.nbf.to_string(),
            "resource": resource,
            "access_token": token,
        });
        return Ok((StatusCode::OK, HEADERS, body.to_string()).into_response());
    }
    let body = json!({
        "token_type": "Bearer",
        "expires_in": lifetime,
        "ext_expires_in": lifetime,
        "access_token": token,
    });
    Ok((StatusCode::OK, HEADERS, body.to_string()).into_response())
}

/// Client id and secret from HTTP Basic. Both are form-encoded before they are joined (RFC 6749, 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(Option<String>, Option<String>)> {
    let (scheme, pair) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
    let (client_id, secret) = pair.split_once(':')?;
    Some((decoded(client_id), decoded(secret)))
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
