//! The application that asks for a token, and its proof of who it is.

use super::{assertion, form::Form};
use crate::{entra::error::EntraError, service::Service};

/// The need of a grant for a client credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Needed,
    Optional,
    Unwanted,
}

/// Checks tenant and client, and what the client brings to prove who it is.
pub(super) fn application(service: &Service, tenant: &str, form: &Form, wanted: Proof) -> Result<(), EntraError> {
    let identity = &service.identity;
    // Only a grant that needs no proof signs a user in.
    if wanted == Proof::Needed || !is_any_tenant(tenant) {
        check_tenant(service, tenant)?;
    }
    let client = form.need("client_id")?;
    if !client.eq_ignore_ascii_case(&identity.client_id) {
        let text = format!("Application with identifier '{client}' was not found in the directory '{tenant}'.");
        return Err(EntraError::bad("unauthorized_client", 700_016, text));
    }
    match (form.get("client_secret"), form.get("client_assertion"), wanted) {
        (None, None, Proof::Needed) => Err(EntraError::invalid_client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
        (None, None, _) => Ok(()),
        (_, _, Proof::Unwanted) => {
            Err(EntraError::invalid_client(700_025, "Client is public so neither of the two should be presented."))
        }
        (Some(secret), None, _) if secret == identity.client_secret => Ok(()),
        (Some(_), None, _) => Err(EntraError::invalid_client(7_000_215, "Invalid client secret provided.")),
        (None, Some(given), _) => {
            if form.need("client_assertion_type")? != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
                return Err(EntraError::bad("invalid_request", 900_144, "The 'client_assertion_type' is not known."));
            }
            assertion::check(service, given, tenant)
        }
        (Some(_), Some(_), _) => Err(EntraError::bad("invalid_request", 90_023, "Both a secret and an assertion.")),
    }
}

/// Returns `true` for the names that stand for the tenant of the user who signs in:
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>.
pub(super) fn is_any_tenant(tenant: &str) -> bool {
    ["common", "organizations"].iter().any(|any| tenant.eq_ignore_ascii_case(any))
}

/// An application signs in to a tenant of its own, and to none of the names that stand for any.
pub(super) fn check_tenant(service: &Service, tenant: &str) -> Result<(), EntraError> {
    if tenant.eq_ignore_ascii_case(&service.identity.tenant_id) {
        return Ok(());
    }
    if is_any_tenant(tenant) || tenant.eq_ignore_ascii_case("consumers") {
        let text = format!(
            "Application '{}' is not configured as a multi-tenant application. Usage of the /{tenant} endpoint is not \
             supported for such applications. Use a tenant-specific endpoint.",
            service.identity.client_id
        );
        return Err(EntraError::bad("invalid_request", 50_194, text));
    }
    if !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) {
        let text =
            format!("Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.");
        return Err(EntraError::bad("invalid_request", 900_023, text));
    }
    let text = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
    Err(EntraError::bad("invalid_request", 90_002, text))
}
