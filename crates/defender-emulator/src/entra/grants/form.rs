//! Parameters of a form or a query.

use std::collections::BTreeMap;

use http::{HeaderMap, header::CONTENT_TYPE};
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
        let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let (mut parameters, mut twice) = (BTreeMap::new(), None);
        for (name, value) in pairs.map(|(name, value)| (decoded(name), decoded(value))) {
            if parameters.insert(name.clone(), value).is_some() {
                twice = Some(name);
            }
        }
        Self { parameters, twice }
    }

    /// Reads a body; one of another type has no parameters, and Entra reports the first missing one.
    pub(super) fn posted(headers: &HeaderMap, body: &[u8]) -> Result<Self, EntraError> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Ok(Self { parameters: BTreeMap::new(), twice: None });
        }
        let form = Self::read(&String::from_utf8_lossy(body));
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
