//! The sign-in in a browser: the user is there and agrees at once.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use super::{
    application::{Proof, application},
    form::Form,
    wanted::Version,
};
use crate::{
    entra::error::EntraError,
    service::Service,
    store::grants::Wanted,
    store::grants::{Challenge, Code},
};

const LIFETIME: Duration = Duration::from_secs(600);

/// Sends the browser back with a code. A defect is reported here and not to a redirect URI that may be
/// somebody else's.
pub(super) fn authorize(service: &Service, (tenant, version): (&str, Version), query: &Form) -> Response {
    code(service, (tenant, version), query).unwrap_or_else(|error| error.at(service.clock.now(), &service.base_url))
}

/// Returns `true` if it is registered: `http://localhost` on any port and with this path, or one of the settings'.
fn is_registered(service: &Service, redirect_uri: &str) -> bool {
    let behind = redirect_uri.strip_prefix("http://localhost").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let is_local = behind
        .is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()));
    is_local || service.settings.redirect_uris.iter().any(|known| known == redirect_uri)
}

fn code(service: &Service, (tenant, version): (&str, Version), query: &Form) -> Result<Response, EntraError> {
    application(service, tenant, query, Proof::Unwanted)?;
    let wrong = |text: &str| EntraError::bad("invalid_request", 90_014, text);
    let redirect_uri = query.need("redirect_uri")?;
    if !is_registered(service, redirect_uri) {
        return Err(EntraError::bad("invalid_request", 50_011, "The redirect URI is not one that is registered."));
    }
    if version == Version::V2 {
        query.need("scope")?;
    }
    let wanted = Wanted::read(service, query, version, None)?;
    let mode = query.get("response_mode").unwrap_or("query");
    if query.need("response_type")? != "code" || !["query", "form_post"].contains(&mode) {
        return Err(wrong("The response type or mode is not supported."));
    }
    let challenge = match (query.get("code_challenge"), query.get("code_challenge_method")) {
        (None, None) => None,
        (Some(challenge), None | Some("plain")) => Some(Challenge::Plain(challenge.to_owned())),
        (Some(challenge), Some("S256")) => Some(Challenge::S256(challenge.to_owned())),
        _ => return Err(wrong("The code challenge method must be S256.")),
    };
    let ends = service.clock.now().checked_add(LIFETIME).map_err(|_| wrong("The clock is at the end of time."))?;
    let (code, session) = (Uuid::new_v4().to_string(), Uuid::new_v4());
    let state = query.get("state").unwrap_or_default();
    let kept = Code {
        redirect_uri: redirect_uri.to_owned(),
        challenge,
        nonce: query.get("nonce").map(str::to_owned),
        ends,
        is_used: false,
        wanted,
    };
    service.grants.state().codes.insert(code.clone(), kept);
    if mode == "form_post" {
        return Ok(form_post(redirect_uri, &code, state));
    }
    // A URI without a path has one when it is called.
    let has_path = redirect_uri.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    let path = if has_path { "" } else { "/" };
    let sign = if redirect_uri.contains('?') { '&' } else { '?' };
    let state = utf8_percent_encode(state, NON_ALPHANUMERIC);
    let location = format!("{redirect_uri}{path}{sign}code={code}&state={state}&session_state={session}");
    let location = HeaderValue::try_from(location).map_err(|_| wrong("The redirect URI is not a header."))?;
    Ok((StatusCode::FOUND, [(LOCATION, location)]).into_response())
}

/// A page with a form that posts itself.
fn form_post(redirect_uri: &str, code: &str, state: &str) -> Response {
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;")
    };
    let page = format!(
        "<html><head><title>Working...</title></head><body><form method=\"POST\" name=\"hiddenform\" action=\"{}\">\
         <input type=\"hidden\" name=\"code\" value=\"{code}\" />\
         <input type=\"hidden\" name=\"state\" value=\"{}\" />\
         <noscript><input type=\"submit\" value=\"Submit\" /></noscript></form>\
         <script language=\"javascript\">document.forms[0].submit();</script></body></html>",
        escaped(redirect_uri),
        escaped(state)
    );
    (StatusCode::OK, [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], page).into_response()
}
