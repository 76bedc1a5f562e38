//! What an application signs to prove who it is.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{federation, state::State};
use crate::{entra_error::EntraError, service::Service};

pub(super) fn refused(text: &str) -> EntraError {
    EntraError::invalid_client(700_027, format!("Client assertion failed signature validation. {text}"))
}

/// A signed token, taken apart and not checked yet.
pub(super) struct Jwt<'a> {
    head: Value,
    claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let part = |encoded: &str| URL_SAFE_NO_PAD.decode(encoded).ok();
        let (signed, signature) = text.rsplit_once('.')?;
        let (head, claims) = signed.split_once('.')?;
        Some(Self {
            head: serde_json::from_slice(&part(head)?).ok()?,
            claims: serde_json::from_slice(&part(claims)?).ok()?,
            signed,
            signature: part(signature)?,
        })
    }

    pub(super) fn algorithm(&self) -> &str {
        self.head.get("alg").and_then(Value::as_str).unwrap_or_default()
    }

    /// A claim that is text; empty where it is not.
    pub(super) fn text(&self, claim: &str) -> &str {
        self.claims.get(claim).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn is_signed_by(&self, algorithm: &'static dyn VerificationAlgorithm, public_key: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, public_key).verify(self.signed.as_bytes(), &self.signature).is_ok()
    }

    /// Whether it is good at this second. No leeway: a client that relies on some will be caught.
    pub(super) fn is_in_time(&self, now: i64) -> bool {
        let time = |claim: &str| self.claims.get(claim).and_then(Value::as_i64);
        time("nbf").or_else(|| time("iat")).is_some_and(|begins| begins <= now)
            && time("exp").is_some_and(|ends| now < ends)
    }
}

/// Whether `assertion` is good for the application, as Entra checks it: one that the application signed itself, or one of an
/// issuer that it trusts.
pub(super) fn check(service: &Service, assertion: &str, tenant: &str) -> Result<(), EntraError> {
    let mut state = service.grants.state();
    if state.federated.contains(assertion) {
        return Ok(());
    }
    let jwt = Jwt::read(assertion).ok_or_else(|| refused("It is no JWT."))?;
    let now = service.clock.now().as_second();
    // Only the application itself signs in the application's own name.
    if !state.federations.is_empty() && jwt.text("iss") != service.identity.client_id {
        return federation::check(&state.federations, &jwt, now);
    }
    own(service, &mut state, &jwt, tenant, now)
}

/// The certificate by its thumbprint, the signature, for whom and from whom it is, its times, and that it was not used before.
fn own(service: &Service, state: &mut State, jwt: &Jwt<'_>, tenant: &str, now: i64) -> Result<(), EntraError> {
    let (algorithm, name): (&dyn VerificationAlgorithm, _) = match jwt.algorithm() {
        "PS256" => (&RSA_PSS_2048_8192_SHA256, "x5t#S256"),
        "RS256" => (&RSA_PKCS1_2048_8192_SHA256, "x5t"),
        other => return Err(refused(&format!("The algorithm '{other}' is not supported."))),
    };
    let thumbprint = jwt.head.get(name).and_then(Value::as_str).unwrap_or_default();
    let certificate = state.certificates.iter().find(|certificate| {
        thumbprint == if name == "x5t" { certificate.sha1.as_str() } else { certificate.sha256.as_str() }
    });
    let certificate = certificate.ok_or_else(|| {
        refused(&format!("The key was not found, thumbprint of the key used by client: '{thumbprint}'."))
    })?;
    if !jwt.is_signed_by(algorithm, &certificate.public_key) {
        return Err(refused("The key was found, but use of the key to verify the signature failed."));
    }
    if jwt.text("aud") != format!("{}/{tenant}/oauth2/v2.0/token", service.base_url) {
        return Err(EntraError::invalid_client(
            700_023,
            "Client assertion audience claim does not match the endpoint.",
        ));
    }
    let client = &service.identity.client_id;
    if jwt.text("iss") != client || jwt.text("sub") != client {
        return Err(EntraError::invalid_client(700_021, "Client assertion application identifier doesn't match."));
    }
    if !jwt.is_in_time(now) {
        return Err(EntraError::invalid_client(700_024, "Client assertion is not within its valid time range."));
    }
    let id = jwt.text("jti");
    if id.is_empty() || !state.used.insert(id.to_owned()) {
        return Err(refused("Its 'jti' is missing or was used before."));
    }
    Ok(())
}
