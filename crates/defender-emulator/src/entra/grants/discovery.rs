//! The documents from which a client library learns where the endpoints are. Microsoft's own do not start without them.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{application::is_any_tenant, id_token, wanted::Version};
use crate::{entra::error::EntraError, service::Service};

fn document(body: &Value) -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string()).into_response()
}

/// Serves `.well-known/openid-configuration`. The names that stand for any tenant have one too.
pub(super) fn configuration(service: &Service, tenant: &str, version: Version) -> Response {
    let own = &service.identity.tenant_id;
    let base = &service.base_url;
    if !is_any_tenant(tenant) && !tenant.eq_ignore_ascii_case(own) {
        let text = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        return EntraError::bad("invalid_tenant", 90_002, text).at(service.clock.now(), base);
    }
    let (v2, keys, issuer) = match version {
        Version::V2 => ("/v2.0", "discovery/v2.0/keys", format!("{base}/{own}/v2.0")),
        Version::V1 => ("", "discovery/keys", format!("https://sts.windows.net/{own}/")),
    };
    document(&json!({
        "token_endpoint": format!("{base}/{tenant}/oauth2{v2}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{tenant}/{keys}"),
        "response_modes_supported": ["query", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/{tenant}/oauth2{v2}/authorize"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2{v2}/devicecode"),
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "oid"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "resource_server": service.audience(),
    }))
}

/// Serves `/common/discovery/instance`: the emulator is the only host of its cloud.
pub(super) fn instance(service: &Service, tenant: &str) -> Response {
    let host = service.base_url.split_once("://").map_or("", |(_, host)| host);
    document(&json!({
        "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", service.base_url),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    }))
}

/// Serves the key that signs id tokens. Access tokens are for the API alone, and have another key.
pub(super) fn keys(service: &Service) -> Response {
    let Some(key) = service.grants.id_key() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    document(&json!({ "keys": [id_token::jwk(key)] }))
}
