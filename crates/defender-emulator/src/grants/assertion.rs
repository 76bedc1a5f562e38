//! What an application signs to prove who it is.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{entra_error::EntraError, service::Service};

fn refused(text: &str) -> EntraError {
    EntraError::invalid_client(700_027, format!("Client assertion failed signature validation. {text}"))
}

fn part(encoded: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// Whether `assertion` is good for the application, as Entra checks it: the certificate by its thumbprint, the signature,
/// for whom and from whom it is, its times, and that it was not used before.
pub(super) fn check(service: &Service, assertion: &str, tenant: &str) -> Result<(), EntraError> {
    let mut state = service.grants.state();
    if state.federated.contains(assertion) {
        return Ok(());
    }
    let parts =
        assertion.rsplit_once('.').and_then(|(signed, signature)| Some((signed, signed.split_once('.')?, signature)));
    let (signed, (head, claims), signature) = parts.ok_or_else(|| refused("It is no JWT."))?;
    let (Some(head), Some(claims)) = (part(head), part(claims)) else { return Err(refused("It is no JWT.")) };
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (algorithm, name): (&dyn VerificationAlgorithm, _) = match text(&head, "alg").as_str() {
        "PS256" => (&RSA_PSS_2048_8192_SHA256, "x5t#S256"),
        "RS256" => (&RSA_PKCS1_2048_8192_SHA256, "x5t"),
        other => return Err(refused(&format!("The algorithm '{other}' is not supported."))),
    };
    let thumbprint = text(&head, name);
    let certificate = state.certificates.iter().find(|certificate| {
        thumbprint == if name == "x5t" { certificate.sha1.as_str() } else { certificate.sha256.as_str() }
    });
    let certificate = certificate.ok_or_else(|| {
        refused(&format!("The key was not found, thumbprint of the key used by client: '{thumbprint}'."))
    })?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refused("It is no JWT."))?;
    UnparsedPublicKey::new(algorithm, &certificate.public_key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| refused("The key was found, but use of the key to verify the signature failed."))?;
    if text(&claims, "aud") != format!("{}/{tenant}/oauth2/v2.0/token", service.base_url) {
        return Err(EntraError::invalid_client(
            700_023,
            "Client assertion audience claim does not match the endpoint.",
        ));
    }
    let client = &service.identity.client_id;
    if text(&claims, "iss") != *client || text(&claims, "sub") != *client {
        return Err(EntraError::invalid_client(700_021, "Client assertion application identifier doesn't match."));
    }
    let now = service.clock.now().as_second();
    let time = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (Some(begins), Some(ends)) = (time("nbf"), time("exp")) else {
        return Err(EntraError::invalid_client(700_024, "Client assertion has no time range."));
    };
    if now < begins || now >= ends {
        return Err(EntraError::invalid_client(700_024, "Client assertion is not within its valid time range."));
    }
    let id = text(&claims, "jti");
    if id.is_empty() || !state.used.insert(id) {
        return Err(refused("Its 'jti' is missing or was used before."));
    }
    Ok(())
}
