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
    if !tenant.eq_ignore_ascii_case(&identity.tenant_id) {
        return Err(EntraError::bad("invalid_request", 90_002, format!("Tenant '{tenant}' not found.")));
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
            assertion::check(service, given, &identity.tenant_id)
        }
        (Some(_), Some(_), _) => Err(EntraError::bad("invalid_request", 90_023, "Both a secret and an assertion.")),
    }
}
