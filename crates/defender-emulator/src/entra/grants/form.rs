//! Parameters of a form or a query.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use percent_encoding::percent_decode_str;

use crate::entra::error::EntraError;

/// No `Debug`: it holds secrets.
pub(super) struct Form {
    parameters: BTreeMap<String, String>,
    /// A name that is there more than once.
    twice: Option<String>,
}

impl Form {
    pub(super) fn read(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let (mut parameters, mut twice) = (BTreeMap::new(), None);
        for (name, value) in pairs.map(|(name, value)| (decoded(name), decoded(value))) {
            if parameters.insert(name.clone(), value).is_some() {
                twice = Some(name);
            }
        }
        Self { parameters, twice }
    }

    /// Reads a body, and client id and secret of HTTP Basic, if the request has them. A body of another type has no parameters, and
    /// Entra reports the first missing one.
    pub(super) fn posted(headers: &HeaderMap, body: &[u8]) -> Result<Self, EntraError> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Ok(Self { parameters: BTreeMap::new(), twice: None });
        }
        let mut form = Self::read(&String::from_utf8_lossy(body));
        if let Some(pair) = basic(headers) {
            let named = ["client_id", "client_secret"].map(str::to_owned).into_iter().zip(pair);
            form.parameters.extend(named);
        }
        match &form.twice {
            Some(name) => {
                let text = format!("The request is not properly formatted. The parameter '{name}' is duplicated.");
                Err(EntraError::bad("invalid_request", 9_000_411, text))
            }
            None => Ok(form),
        }
    }

    /// A parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &'static str) -> Result<&str, EntraError> {
        self.get(name).ok_or_else(|| EntraError::missing(name))
    }
}

/// Client id and secret from HTTP Basic. Both are form-encoded before they are joined (RFC 6749, 2.3.1).
fn basic(headers: &HeaderMap) -> Option<[String; 2]> {
    let (scheme, pair) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
    let (client_id, secret) = pair.split_once(':')?;
    Some([decoded(client_id), decoded(secret)])
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
