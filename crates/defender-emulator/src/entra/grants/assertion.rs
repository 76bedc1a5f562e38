//! Assertions that an application signs as its credential.

use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, VerificationAlgorithm};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    federation,
    jwt::{Jwt, refused},
};
use crate::{entra::error::EntraError, service::Service, settings::AssertionUse, store::grants::State};

/// Checks `assertion` as Entra does: one that the application signed itself, or one of an
/// issuer that it trusts.
pub(super) fn check(service: &Service, assertion: &str, tenant: &str) -> Result<(), EntraError> {
    let mut state = service.grants.state();
    let jwt = Jwt::read(assertion).ok_or_else(|| refused("It is not a JWT."))?;
    let times = (service.clock.now(), service.settings.assertion_leeway);
    // Only the application itself signs in the application's own name.
    if !state.federations.is_empty() && jwt.text("iss") != service.identity.client_id {
        return federation::check(&state.federations, &jwt, times);
    }
    own(service, &mut state, &jwt, (tenant, times))
}

/// A thumbprint in any of the forms in which libraries write its bytes: base64url with and without padding, and plain base64.
fn bytes(thumbprint: &str) -> Option<Vec<u8>> {
    let text = thumbprint.trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The certificate by its thumbprint, the signature, for whom and from whom it is, its times, and, where that is chosen, that
/// it was not used before.
fn own(
    service: &Service,
    state: &mut State,
    jwt: &Jwt<'_>,
    (tenant, (now, leeway)): (&str, (Timestamp, Duration)),
) -> Result<(), EntraError> {
    let (algorithm, name): (&dyn VerificationAlgorithm, _) = match jwt.algorithm() {
        "PS256" => (&RSA_PSS_2048_8192_SHA256, "x5t#S256"),
        "RS256" => (&RSA_PKCS1_2048_8192_SHA256, "x5t"),
        other => return Err(refused(&format!("The algorithm '{other}' is not supported."))),
    };
    let thumbprint = jwt.head.get(name).and_then(Value::as_str).unwrap_or_default();
    let found = bytes(thumbprint);
    let certificate = state.certificates.iter().find(|certificate| {
        let known = if name == "x5t" { &certificate.sha1 } else { &certificate.sha256 };
        found.as_ref() == Some(known)
    });
    let certificate = certificate.ok_or_else(|| {
        refused(&format!("The key was not found, thumbprint of the key used by client: '{thumbprint}'."))
    })?;
    if !jwt.is_signed_by(algorithm, &certificate.public_key) {
        return Err(refused("The key was found, but use of the key to verify the signature failed."));
    }
    let endpoint = |version| format!("{}/{tenant}/oauth2{version}/token", service.base_url);
    if ![endpoint("/v2.0"), endpoint("")].iter().any(|endpoint| endpoint.eq_ignore_ascii_case(jwt.text("aud"))) {
        return Err(EntraError::invalid_client(
            700_023,
            "Client assertion audience claim does not match the endpoint.",
        ));
    }
    let client = &service.identity.client_id;
    if jwt.text("iss") != client || jwt.text("sub") != client {
        return Err(EntraError::invalid_client(700_021, "Client assertion application identifier doesn't match."));
    }
    if !jwt.is_in_time(now, leeway) {
        return Err(EntraError::invalid_client(700_024, "Client assertion is not within its valid time range."));
    }
    let id = jwt.text("jti");
    let once = service.settings.assertion_use == AssertionUse::Once;
    if once && (id.is_empty() || !state.used.insert(id.to_owned())) {
        return Err(refused("Its 'jti' is missing or was used before."));
    }
    Ok(())
}
