//! The token endpoint, for the grants that are told from one another by their parameters.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{assertion, device, form::Form, state::SignIn};
use crate::{
    entra::HEADERS,
    entra_error::EntraError,
    identity::AUDIENCE,
    jwt::{Claims, Refusal},
    service::Service,
};

/// How long a refresh token lives that nobody uses: <https://learn.microsoft.com/entra/identity-platform/refresh-tokens>.
const INACTIVE_DAYS: i64 = 90;

/// Answers one of the grants of this module; `None` for what is not.
pub(super) fn answer(service: &Service, tenant: &str, form: &Form) -> Option<Result<Response, EntraError>> {
    let grant = form.get("grant_type")?;
    let answer = match grant {
        "client_credentials" if form.get("client_assertion").is_some() => {
            application(service, tenant, form, Proof::Needed).and_then(|()| issue(service, form, Holder::Application))
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => on_behalf_of(service, tenant, form),
        "urn:ietf:params:oauth:grant-type:device_code" => {
            let looked = application(service, tenant, form, Proof::Unwanted).and_then(|()| device::look(service, form));
            looked.and_then(|is_kept| issue(service, form, Holder::User { is_kept }))
        }
        "authorization_code" => code(service, tenant, form),
        "refresh_token" => refresh(service, tenant, form),
        _ => return None,
    };
    Some(answer)
}

/// Whether a grant is a confidential client's.
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

fn on_behalf_of(service: &Service, tenant: &str, form: &Form) -> Result<Response, EntraError> {
    application(service, tenant, form, Proof::Needed)?;
    if form.need("requested_token_use")? != "on_behalf_of" {
        return Err(EntraError::bad("invalid_request", 900_144, "The 'requested_token_use' is not known."));
    }
    let user = service.key.verify(form.need("assertion")?, service.clock.now()).map_err(|refusal| match refusal {
        Refusal::Expired => EntraError::bad("invalid_grant", 500_133, "Assertion is not within its valid time range."),
        Refusal::Invalid => EntraError::bad("invalid_grant", 50_013, "Assertion failed signature validation."),
    })?;
    if user.aud != service.identity.client_id {
        return Err(EntraError::bad("invalid_grant", 500_131, "Assertion audience does not match the Client app."));
    }
    issue(service, form, Holder::Represented)
}

fn code(service: &Service, tenant: &str, form: &Form) -> Result<Response, EntraError> {
    application(service, tenant, form, Proof::Optional)?;
    let (given, verifier) = (form.need("code")?, form.need("code_verifier")?);
    let redirect_uri = form.need("redirect_uri")?;
    let dead = |number, text: &str| Err(EntraError::bad("invalid_grant", number, text));
    let is_kept = {
        let mut state = service.grants.state();
        let Some(code) = state.codes.get_mut(given) else { return dead(70_000, "The provided code is not valid.") };
        if std::mem::replace(&mut code.is_used, true) {
            return dead(54_005, "OAuth2 Authorization code was already redeemed.");
        }
        if service.clock.now() >= code.ends {
            return dead(70_008, "The provided authorization code has expired.");
        }
        if code.redirect_uri != redirect_uri {
            return dead(50_011, "The redirect URI does not match the one of the authorization request.");
        }
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        if !(43..=128).contains(&verifier.len()) || challenge != code.challenge {
            return dead(501_481, "The Code_Verifier does not match the code_challenge supplied in the authorization.");
        }
        code.is_kept
    };
    issue(service, form, Holder::User { is_kept })
}

fn refresh(service: &Service, tenant: &str, form: &Form) -> Result<Response, EntraError> {
    application(service, tenant, form, Proof::Optional)?;
    let dead = |number, text: &str| Err(EntraError::bad("invalid_grant", number, text));
    {
        let now = service.clock.now();
        let mut state = service.grants.state();
        // The one that is used stays good: Entra does not revoke it when it gives a new one.
        let Some(sign_in) = state.refresh_tokens.get_mut(form.need("refresh_token")?) else {
            return dead(70_000, "The provided refresh token is not valid.");
        };
        if sign_in.is_revoked {
            return dead(50_173, "The provided grant has expired due to it being revoked.");
        }
        if now.duration_since(sign_in.used).as_secs() >= INACTIVE_DAYS * 24 * 3_600 {
            return dead(700_082, "The refresh token has expired due to inactivity.");
        }
        sign_in.used = now;
    }
    issue(service, form, Holder::User { is_kept: true })
}

/// Whether a sign-in for `scope` gives a refresh token.
pub(super) fn is_kept(scope: &str) -> bool {
    scope.split_whitespace().any(|scope| scope == "offline_access")
}

/// An application's access token for the one audience, and how long it lives.
pub(super) fn access_token(service: &Service) -> Result<(String, Duration), EntraError> {
    signed(service, &Claims::of_application(service, AUDIENCE))
}

fn signed(service: &Service, claims: &Claims) -> Result<(String, Duration), EntraError> {
    let token = service.key.sign(claims);
    let token = token.map_err(|error| EntraError::bad("server_error", 90_033, error.to_string()))?;
    Ok((token, service.settings.token_lifetime))
}

/// Whose token it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Application,
    /// A user who signed in, and gets a refresh token if one was asked for.
    User {
        is_kept: bool,
    },
    /// A user on whose behalf the application asks.
    Represented,
}

fn issue(service: &Service, form: &Form, holder: Holder) -> Result<Response, EntraError> {
    let scopes: Vec<_> = form.get("scope").unwrap_or_default().split_whitespace().collect();
    let prefix = format!("{AUDIENCE}/");
    // A device's look names no scope: it was named when the code was asked for.
    let foreign = scopes.iter().find(|scope| !scope.starts_with(&prefix) && **scope != "offline_access");
    if let Some(scope) = foreign {
        let text = format!("The resource principal of {scope} was not found in the tenant.");
        return Err(EntraError::bad("invalid_resource", 500_011, text));
    }
    let (token, lifetime) = match holder {
        Holder::Application => access_token(service)?,
        Holder::User { .. } | Holder::Represented => signed(service, &Claims::of_user(service))?,
    };
    let seconds = lifetime.as_secs();
    let mut body =
        json!({ "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token });
    if let (Holder::User { is_kept: true }, Some(body)) = (holder, body.as_object_mut()) {
        let refresh = format!("1.{}", Uuid::new_v4());
        let sign_in = SignIn { used: service.clock.now(), is_revoked: false };
        service.grants.state().refresh_tokens.insert(refresh.clone(), sign_in);
        body.insert("refresh_token".to_owned(), refresh.into());
    }
    Ok((StatusCode::OK, HEADERS, body.to_string()).into_response())
}
