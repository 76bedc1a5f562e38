//! Signed tokens of clients and of other issuers.

use std::time::Duration;

use aws_lc_rs::signature::{UnparsedPublicKey, VerificationAlgorithm};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use crate::entra::error::EntraError;

pub(super) fn refused(text: &str) -> EntraError {
    EntraError::invalid_client(700_027, format!("Client assertion failed signature validation. {text}"))
}

/// A signed token, taken apart and not checked yet.
pub(super) struct Jwt<'a> {
    pub(super) head: Value,
    claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
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

    /// Returns `true` if it is valid at `now`, give or take `leeway`. Some libraries write the dates with a fraction.
    pub(super) fn is_in_time(&self, now: Timestamp, leeway: Duration) -> bool {
        let time = |claim: &str| self.claims.get(claim).and_then(Value::as_f64);
        let (now, leeway) = (now.as_duration().as_secs_f64(), leeway.as_secs_f64());
        time("nbf").or_else(|| time("iat")).is_some_and(|begins| begins <= now + leeway)
            && time("exp").is_some_and(|ends| now < ends + leeway)
    }
}
