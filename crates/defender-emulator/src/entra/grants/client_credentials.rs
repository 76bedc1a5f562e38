//! The grant of an application with a secret.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
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
    form: &Form,
) -> Result<Response, EntraError> {
    let identity = &service.identity;
    check_tenant(service, tenant)?;
    let grant = form.need("grant_type")?;
    if grant != "client_credentials" {
        let text = format!("The app requested an unsupported grant type '{grant}'.");
        return Err(EntraError::bad("unsupported_grant_type", 70_003, text));
    }
    let client_id = form.need("client_id")?;
    let resource = resource(form, version)?;
    if !client_id.eq_ignore_ascii_case(&identity.client_id) {
        let text = format!("Application with identifier '{client_id}' was not found in the directory '{tenant}'.");
        return Err(EntraError::bad("unauthorized_client", 700_016, text));
    }
    let Some(secret) = form.get("client_secret") else {
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
    issue(service, (tenant, version), resource)
}

/// Returns the resource of an application's token. The older endpoint knows no scopes, and the newer one no resources. The
/// slash of a name that ends in one belongs to it.
pub(super) fn resource(form: &Form, version: Version) -> Result<&str, EntraError> {
    if version == Version::V1 {
        return form.need("resource");
    }
    let scope = form.need("scope")?;
    let resource = scope.strip_suffix("/.default").filter(|resource| !resource.is_empty() && !resource.contains(' '));
    resource.ok_or_else(|| {
        let text = format!(
            "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid: client \
             credential flows must have one scope, with /.default behind the resource identifier."
        );
        EntraError::bad("invalid_scope", 70_011, text)
    })
}

/// Gives a token for this resource to an application that has proved itself.
pub(super) fn issue(
    service: &Service,
    (tenant, version): (&str, Version),
    resource: &str,
) -> Result<Response, EntraError> {
    if !service.knows(resource) {
        let text = format!("The resource principal named {resource} was not found in the tenant named {tenant}.");
        return Err(EntraError::bad("invalid_resource", 500_011, text));
    }
    let lifetime = service.settings.token_lifetime.as_secs();
    let claims = Claims::of_application(service, resource);
    let token = service.key.sign(&claims);
    let token = token.map_err(|error| EntraError::bad("server_error", 90_033, error.to_string()))?;
    if version == Version::V1 {
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
