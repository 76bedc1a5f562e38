//! The id token of a signed-in user.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference>.

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{entra::jwt::Claims, service::Service};

/// The place of the 2048-bit modulus in the public key: behind the heads of a sequence and of a number, and a zero.
const MODULUS: std::ops::Range<usize> = 9..265;

/// The object of the person; the same at each start, as the person is.
const OBJECT_ID: &str = "0b1ec7ed-0000-4000-8000-000000000003";

/// Returns the id token of the user in these claims.
pub(super) fn signed(service: &Service, user: &Claims, nonce: Option<&str>) -> Option<String> {
    let key = service.grants.id_key()?;
    let name = user.unique_name.as_deref().or(user.upn.as_deref()).unwrap_or_default();
    let name = name.strip_prefix("live.com#").unwrap_or(name);
    let mut claims = json!({
        "aud": service.identity.client_id,
        "iss": format!("{}/{}/v2.0", service.base_url, service.identity.tenant_id),
        "iat": user.iat,
        "nbf": user.nbf,
        "exp": user.exp,
        "name": name,
        "preferred_username": name,
        "oid": OBJECT_ID,
        "sub": OBJECT_ID,
        "tid": service.identity.tenant_id,
        "ver": "2.0",
    });
    if let (Some(nonce), Some(claims)) = (nonce, claims.as_object_mut()) {
        claims.insert("nonce".to_owned(), nonce.into());
    }
    let head = json!({ "typ": "JWT", "alg": "RS256", "kid": kid(key) });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&head), part(&claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The account's ids, as Microsoft's libraries expect them.
pub(super) fn client_info(service: &Service) -> String {
    URL_SAFE_NO_PAD.encode(json!({ "uid": OBJECT_ID, "utid": service.identity.tenant_id }).to_string())
}

/// The public key, as `discovery/keys` has it.
pub(super) fn jwk(key: &KeyPair) -> Value {
    let modulus = key.public_key().as_ref().get(MODULUS).unwrap_or_default();
    json!({
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": kid(key),
        "n": URL_SAFE_NO_PAD.encode(modulus),
        "e": "AQAB",
    })
}

fn kid(key: &KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, key.public_key().as_ref()))
}
