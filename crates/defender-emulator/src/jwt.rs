//! The tokens: made for the emulator's own application, checked on every call.
//!
//! Entra signs with RSA. To a client a token is opaque, so that a symmetric key of this start does as well; two
//! emulators refuse each other's tokens.

use aws_lc_rs::{hmac, rand};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Error;

/// What a token says. An application's permissions are in `roles`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) tid: String,
    pub(crate) appid: String,
    pub(crate) roles: Vec<String>,
}

/// The key of one start.
pub(crate) struct TokenKey(hmac::Key);

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no token, or not one that was made here.
    Invalid,
    /// Its time is over.
    Expired,
}

impl TokenKey {
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| Error::random())?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The token that says `claims`.
    pub(crate) fn sign(&self, claims: &Claims) -> serde_json::Result<String> {
        // No two tokens are alike, as with Entra, whose `uti` sees to it.
        let head = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, uuid::Uuid::new_v4()));
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        Ok(format!("{signed}.{signature}"))
    }

    /// The signature of a link.
    pub(crate) fn stamp(&self, text: &str) -> String {
        STANDARD.encode(hmac::sign(&self.0, text.as_bytes()))
    }

    /// What `token` says, if it was made here and is still good. Whom it is for is the caller's question.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Invalid)?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).map_err(|_| Refusal::Invalid)?;
        let (_, claims) = signed.split_once('.').ok_or(Refusal::Invalid)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| Refusal::Invalid)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| Refusal::Invalid)?;
        // No leeway: a client that relies on some will be caught.
        if now.as_second() >= claims.exp { Err(Refusal::Expired) } else { Ok(claims) }
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
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_good_until_its_last_second_and_not_in_it() {
        let key = TokenKey::generate().unwrap();
        let token = key.sign(&claims()).unwrap();
        assert_eq!(key.verify(&token, at(1_999)).unwrap().roles, ["Machine.Isolate"]);
        assert_eq!(key.verify(&token, at(2_000)).unwrap_err(), Refusal::Expired);
    }

    #[test]
    fn a_token_of_another_key_or_with_other_claims_is_invalid() {
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
