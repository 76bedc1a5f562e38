//! The grants of the token endpoint.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    application::{Proof, application},
    client_credentials, device,
    form::Form,
    id_token,
    wanted::Version,
};
use crate::{
    entra::{
        error::{EntraError, HEADERS},
        jwt::{Claims, Refusal},
    },
    service::Service,
    store::grants::Wanted,
    store::grants::{Challenge, SignIn},
};

/// The lifetime of an unused refresh token: <https://learn.microsoft.com/entra/identity-platform/refresh-tokens>.
const INACTIVE_DAYS: i64 = 90;

/// Handles a grant of this module; `None` for any other.
pub(super) fn respond(
    service: &Service,
    (tenant, version): (&str, Version),
    form: &Form,
) -> Option<Result<Response, EntraError>> {
    let grant = form.get("grant_type")?;
    let response = match grant {
        "client_credentials" if form.get("client_assertion").is_some() => {
            by_assertion(service, (tenant, version), form)
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => on_behalf_of(service, (tenant, version), form),
        // The short name is msal-node's, and the older endpoint's.
        "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => {
            let looked = application(service, tenant, form, Proof::Unwanted);
            let looked = looked.and_then(|()| device::look(service, version, form));
            looked.and_then(|wanted| Issue { version, wanted, nonce: None }.respond(service, form))
        }
        "authorization_code" => code(service, (tenant, version), form),
        "refresh_token" => refresh(service, (tenant, version), form),
        _ => return None,
    };
    Some(response)
}

fn by_assertion(service: &Service, (tenant, version): (&str, Version), form: &Form) -> Result<Response, EntraError> {
    application(service, tenant, form, Proof::Needed)?;
    let resource = client_credentials::resource(form, version)?;
    client_credentials::issue(service, (tenant, version), resource)
}

fn on_behalf_of(service: &Service, (tenant, version): (&str, Version), form: &Form) -> Result<Response, EntraError> {
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
    let wanted = Wanted::read(service, form, version, None)?;
    Issue { version, wanted, nonce: None }.respond(service, form)
}

fn code(service: &Service, (tenant, version): (&str, Version), form: &Form) -> Result<Response, EntraError> {
    application(service, tenant, form, Proof::Optional)?;
    let given = form.need("code")?;
    let redirect_uri = form.need("redirect_uri")?;
    let proves = form.get("client_secret").is_some() || form.get("client_assertion").is_some();
    let dead = |number, text: &str| Err(EntraError::bad("invalid_grant", number, text));
    let (wanted, nonce) = {
        let mut state = service.grants.state();
        let Some(code) = state.codes.get_mut(given) else { return dead(70_000, "The provided code is not valid.") };
        match &code.challenge {
            Some(_) => drop(form.need("code_verifier")?),
            None if proves => {}
            None => return Err(EntraError::missing("code_challenge")),
        }
        if std::mem::replace(&mut code.is_used, true) {
            return dead(54_005, "OAuth2 Authorization code was already redeemed.");
        }
        if service.clock.now() >= code.ends {
            return dead(70_008, "The provided authorization code has expired.");
        }
        if code.redirect_uri != redirect_uri {
            return dead(50_011, "The redirect URI does not match the one of the authorization request.");
        }
        let verifier = form.get("code_verifier").unwrap_or_default();
        let leads = match &code.challenge {
            None => verifier.is_empty(),
            Some(Challenge::Plain(challenge)) => verifier == challenge,
            Some(Challenge::S256(challenge)) => {
                URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())) == *challenge
            }
        };
        if !leads || (code.challenge.is_some() && !(43..=128).contains(&verifier.len())) {
            return dead(501_481, "The Code_Verifier does not match the code_challenge supplied in the authorization.");
        }
        (
            Wanted {
                audience: Wanted::read(service, form, version, Some(&code.wanted))?.audience,
                ..code.wanted.clone()
            },
            code.nonce.clone(),
        )
    };
    Issue { version, wanted, nonce }.respond(service, form)
}

fn refresh(service: &Service, (tenant, version): (&str, Version), form: &Form) -> Result<Response, EntraError> {
    application(service, tenant, form, Proof::Optional)?;
    let dead = |number, text: &str| Err(EntraError::bad("invalid_grant", number, text));
    let wanted = {
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
        let wanted = Wanted::read(service, form, version, Some(&sign_in.wanted))?;
        Wanted { keeps: true, names: wanted.names || sign_in.wanted.names, ..wanted }
    };
    Issue { version, wanted, nonce: None }.respond(service, form)
}

/// An application's access token for this audience, and how long it lives.
pub(super) fn access_token(service: &Service, audience: &str) -> Result<(String, Duration), EntraError> {
    signed(service, &Claims::of_application(service, audience))
}

fn signed(service: &Service, claims: &Claims) -> Result<(String, Duration), EntraError> {
    let token = service.key.sign(claims);
    let token = token.map_err(|error| EntraError::bad("server_error", 90_033, error.to_string()))?;
    Ok((token, service.settings.token_lifetime))
}

/// A response with tokens of a user who signed in, or on whose behalf the application asks.
struct Issue {
    version: Version,
    wanted: Wanted,
    nonce: Option<String>,
}

impl Issue {
    fn respond(self, service: &Service, form: &Form) -> Result<Response, EntraError> {
        let Self { version, wanted, nonce } = self;
        let claims = Claims::of_user(service, &wanted.audience);
        let (token, lifetime) = signed(service, &claims)?;
        let seconds = |seconds: u64| match version {
            Version::V1 => Value::from(seconds.to_string()),
            Version::V2 => Value::from(seconds),
        };
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put("token_type", "Bearer".into());
        put("expires_in", seconds(lifetime.as_secs()));
        put("ext_expires_in", seconds(lifetime.as_secs()));
        put("access_token", token.into());
        if version == Version::V1 {
            put("expires_on", claims.exp.to_string().into());
            put("not_before", claims.nbf.to_string().into());
            put("resource", wanted.audience.clone().into());
        }
        let granted = claims.scp.unwrap_or_default();
        let granted = granted.split_whitespace().map(|scope| format!("{}/{scope}", wanted.audience));
        let scopes: Vec<_> = wanted.scopes.iter().cloned().chain(granted).collect();
        put("scope", scopes.join(" ").into());
        let claims = Claims::of_user(service, &wanted.audience);
        if wanted.names
            && let Some(token) = id_token::signed(service, &claims, nonce.as_deref())
        {
            put("id_token", token.into());
        }
        if wanted.names || form.get("client_info") == Some("1") {
            put("client_info", id_token::client_info(service).into());
        }
        if wanted.keeps {
            let refresh = format!("1.{}", Uuid::new_v4());
            let sign_in = SignIn { used: service.clock.now(), is_revoked: false, wanted };
            service.grants.state().refresh_tokens.insert(refresh.clone(), sign_in);
            put("refresh_token", refresh.into());
        }
        Ok((StatusCode::OK, HEADERS, Value::Object(body).to_string()).into_response())
    }
}
