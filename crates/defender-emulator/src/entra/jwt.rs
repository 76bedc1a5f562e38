//! The tokens: made for the emulator's own application, checked on every call.
//!
//! Entra signs with RSA. To a client a token is opaque, so that a symmetric key of this start does as well; two
//! emulators refuse each other's tokens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::{hmac, rand};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The claims of a token. An application's permissions are in `roles`, a user's in `scp`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) tid: String,
    pub(crate) appid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
    /// With a blank between two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unique_name: Option<String>,
}

/// The key of one start.
pub(crate) struct TokenKey {
    key: hmac::Key,
    /// Tokens whose signature was looked at already: a client sends the same one for an hour.
    known: Mutex<HashMap<Box<str>, Arc<Claims>>>,
}

/// The limit of remembered tokens.
const KNOWN: usize = 1_000;

/// The reason why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not a token, or not one that was signed here.
    Invalid,
    /// Its time is over.
    Expired,
}

impl TokenKey {
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| Error::random())?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), known: Mutex::default() })
    }

    /// Returns a signed token with these claims.
    pub(crate) fn sign(&self, claims: &Claims) -> serde_json::Result<String> {
        // No two tokens are alike, as with Entra, whose `uti` sees to it.
        let head = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, uuid::Uuid::new_v4()));
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, signed.as_bytes()));
        Ok(format!("{signed}.{signature}"))
    }

    /// The signature of a link.
    pub(crate) fn stamp(&self, text: &str) -> String {
        STANDARD.encode(hmac::sign(&self.key, text.as_bytes()))
    }

    /// Returns the claims of `token`, if it was signed here and has not expired. The caller checks its audience.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, Refusal> {
        let known = self.known().get(token).map(Arc::clone);
        let claims = if let Some(claims) = known {
            claims
        } else {
            let claims = Arc::new(self.read(token)?);
            let mut known = self.known();
            if known.len() >= KNOWN {
                known.clear();
            }
            known.insert(token.into(), Arc::clone(&claims));
            claims
        };
        // No leeway: a client that relies on some will be caught.
        if now.as_second() >= claims.exp { Err(Refusal::Expired) } else { Ok(claims) }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Claims>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, token: &str) -> Result<Claims, Refusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Invalid)?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).map_err(|_| Refusal::Invalid)?;
        let (_, claims) = signed.split_once('.').ok_or(Refusal::Invalid)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| Refusal::Invalid)?;
        serde_json::from_slice(&claims).map_err(|_| Refusal::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            aud: "https://api.securitycenter.microsoft.com".to_owned(),
            iss: "https://sts.windows.net/t/".to_owned(),
            iat: 1_000,
            nbf: 1_000,
            exp: 2_000,
            tid: "t".to_owned(),
            appid: "a".to_owned(),
            roles: vec!["Machine.Isolate".to_owned()],
            ..Claims::default()
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn token_expires_at_its_last_second() {
        let key = TokenKey::generate().unwrap();
        let token = key.sign(&claims()).unwrap();
        assert_eq!(key.verify(&token, at(1_999)).unwrap().roles, ["Machine.Isolate"]);
        assert_eq!(key.verify(&token, at(2_000)).unwrap_err(), Refusal::Expired);
    }

    #[test]
    fn foreign_key_or_forged_claims_are_invalid() {
        let key = TokenKey::generate().unwrap();
        let token = key.sign(&claims()).unwrap();
        assert_eq!(TokenKey::generate().unwrap().verify(&token, at(1_500)).unwrap_err(), Refusal::Invalid);
        let mut parts: Vec<_> = token.split('.').collect();
        let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Claims { exp: 9_000, ..claims() }).unwrap());
        parts[1] = &forged;
        assert_eq!(key.verify(&parts.join("."), at(1_500)).unwrap_err(), Refusal::Invalid);
    }

    #[test]
    fn what_is_no_token_is_invalid() {
        let key = TokenKey::generate().unwrap();
        for text in ["", ".", "..", "a.b.c", "opaque"] {
            assert_eq!(key.verify(text, at(1_500)).unwrap_err(), Refusal::Invalid, "{text}");
        }
    }
}
