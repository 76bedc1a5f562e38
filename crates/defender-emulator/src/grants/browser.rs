//! Where a browser signs in: the person is there and agrees at once.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::LOCATION};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use super::{
    form::Form,
    state::Code,
    token::{Proof, application, is_kept},
};
use crate::{entra_error::EntraError, service::Service};

const LIFETIME: Duration = Duration::from_secs(600);

/// Sends the browser back with a code. What does not belong together is told here and not to a redirect URI that may be
/// somebody else's.
pub(super) fn authorize(service: &Service, tenant: &str, query: &Form) -> Response {
    code(service, tenant, query).unwrap_or_else(|error| error.at(service.clock.now(), &service.base_url))
}

fn code(service: &Service, tenant: &str, query: &Form) -> Result<Response, EntraError> {
    application(service, tenant, query, Proof::Unwanted)?;
    let wrong = |text: &str| EntraError::bad("invalid_request", 90_014, text);
    let redirect_uri = query.need("redirect_uri")?;
    // `http://localhost` is what is registered; the port does not count, the path does.
    let port = redirect_uri.strip_prefix("http://localhost:").unwrap_or_default();
    if port.parse::<u16>().is_err() {
        return Err(EntraError::bad("invalid_request", 50_011, "The redirect URI is not one that is registered."));
    }
    let is_kept = is_kept(query.need("scope")?);
    if query.need("response_type")? != "code" || query.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(wrong("The response type or mode is not supported."));
    }
    if query.need("code_challenge_method")? != "S256" {
        return Err(wrong("The code challenge method must be S256."));
    }
    let ends = service.clock.now().checked_add(LIFETIME).map_err(|_| wrong("The clock is at the end of time."))?;
    let code = Uuid::new_v4().to_string();
    let state = utf8_percent_encode(query.get("state").unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    let location = format!("{redirect_uri}/?code={code}&state={state}&session_state={}", Uuid::new_v4());
    let challenge = query.need("code_challenge")?.to_owned();
    let kept = Code { redirect_uri: redirect_uri.to_owned(), challenge, ends, is_used: false, is_kept };
    service.grants.state().codes.insert(code, kept);
    let location = HeaderValue::try_from(location).map_err(|_| wrong("The redirect URI is no header."))?;
    Ok((StatusCode::FOUND, [(LOCATION, location)]).into_response())
}
