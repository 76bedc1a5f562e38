//! The token endpoint: client credentials, version 2.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::json;

use super::{
    record::{APPLICATION, APPLICATION_ID, PRINCIPAL_ID},
    reply::Reply,
};
use crate::{clock::seconds, dice::guid};

pub(crate) const TENANT: &str = "5d1a7f0c-2b3e-4c4d-8e5f-6a7b8c9d0e1f";
pub(crate) const SECRET: &str = "a~secret/with+odd=signs";
const AUDIENCE: &str = "https://api.securitycenter.microsoft.com";
const LIFE: u64 = 3_599;

/// Tokens that were issued.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    ends: HashMap<String, Timestamp>,
}

impl Tokens {
    /// Answers `POST /{tenant}/oauth2/v2.0/token`.
    pub(super) fn issue(&mut self, rng: &mut fastrand::Rng, now: Timestamp, path: &str, form: &str) -> Reply {
        let form: HashMap<String, String> = form.split('&').filter_map(pair).collect();
        let field = |name: &str| form.get(name).map(String::as_str);
        let problem = |status, error: &str, number: u32| {
            let text = format!("AADSTS{number}: {error}.\r\nTrace ID: 1\r\nCorrelation ID: 2");
            Reply::json(status, &json!({ "error": error, "error_description": text, "error_codes": [number] }))
        };
        if path != format!("/{TENANT}/oauth2/v2.0/token") {
            return problem(400, "invalid_request", 90_002);
        }
        if field("grant_type") != Some("client_credentials") {
            return problem(400, "unsupported_grant_type", 70_003);
        }
        if field("client_id") != Some(APPLICATION_ID) {
            return problem(400, "unauthorized_client", 700_016);
        }
        if field("client_secret") != Some(SECRET) {
            return problem(401, "invalid_client", 7_000_215);
        }
        if field("scope") != Some(&format!("{AUDIENCE}/.default")) {
            return problem(400, "invalid_scope", 70_011);
        }
        let claims = json!({
            "aud": AUDIENCE, "iss": format!("https://sts.windows.net/{TENANT}/"), "tid": TENANT,
            "appid": APPLICATION_ID, "oid": PRINCIPAL_ID, "sub": PRINCIPAL_ID, "app_displayname": APPLICATION,
            "iat": now.as_second(), "nbf": now.as_second(), "exp": (now + seconds(LIFE)).as_second(), "ver": "1.0",
            "roles": [
                "Machine.CollectForensics", "Machine.Isolate", "Machine.ReadWrite.All", "Machine.RestrictExecution",
                "Machine.Scan", "Machine.StopAndQuarantine",
            ],
            "uti": guid(rng),
        });
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.c2lnbmF0dXJl", part(json!({ "typ": "JWT", "alg": "RS256" })), part(claims));
        self.ends.insert(token.clone(), now + seconds(LIFE));
        let body = json!({ "token_type": "Bearer", "expires_in": LIFE, "ext_expires_in": LIFE, "access_token": token });
        Reply::json(200, &body)
    }

    /// Returns true if an `Authorization` header has a token that is good at `now`.
    pub(super) fn allow(&self, authorization: Option<&str>, now: Timestamp) -> bool {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        token.and_then(|token| self.ends.get(token)).is_some_and(|&end| now < end)
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    Some((plain(name)?, plain(value)?))
}

/// A value of a form or query without its escapes.
pub(super) fn plain(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(Into::into)
}
