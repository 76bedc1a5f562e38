//! One exchange, as its file has it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::{Verdict, curl::Answer, fill, shape};
use crate::Failure;

/// What is put in where a text has a name in `${}`.
pub(super) type Variables = BTreeMap<String, String>;

/// The exchanges of one file, in their order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suite {
    /// What the emulator's program is told.
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    pub(super) exchanges: Vec<Exchange>,
}

/// One exchange.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    pub(super) name: String,
    /// Where the fact comes from that it checks.
    pub(super) source: String,
    method: String,
    /// Behind the base, or a whole URL.
    path: String,
    /// Besides the token, which goes with every request to the API, and `Content-Type`, which goes with a JSON body;
    /// null takes either away.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    /// A body of JSON.
    json: Option<Value>,
    /// A body as it is.
    text: Option<String>,
    status: u16,
    /// Headers of the answer: the whole value, or `*` for any.
    #[serde(default)]
    answer_headers: BTreeMap<String, String>,
    /// The shape of the answer's body.
    body: Option<Value>,
    /// Names for later, each with where its value is in the answer's body.
    #[serde(default)]
    save: BTreeMap<String, String>,
}

/// A request, ready to go.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

impl Suite {
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let broken = |error: &dyn std::fmt::Display| Failure::broken(file.display(), error);
        let text = std::fs::read_to_string(file).map_err(|error| broken(&error))?;
        serde_json::from_str(&text).map_err(|error| broken(&error))
    }
}

impl Exchange {
    /// With every name put in, or the first that is not known.
    pub(super) fn filled(&self, variables: &Variables) -> Result<Filled, String> {
        let is_api = self.path.to_ascii_lowercase().starts_with("/api");
        let path = fill(&self.path, variables)?;
        let url = if path.starts_with("https://") { path } else { format!("{}{path}", fill("${base}", variables)?) };
        let mut headers = BTreeMap::new();
        if is_api {
            headers.insert("authorization".to_owned(), Some("Bearer ${token}".to_owned()));
        }
        if self.json.is_some() {
            headers.insert("content-type".to_owned(), Some("application/json".to_owned()));
        }
        headers.extend(self.headers.clone());
        let mut filled = Vec::new();
        for (name, value) in headers {
            if let Some(value) = value {
                filled.push((name, fill(&value, variables)?));
            }
        }
        let body = self.json.as_ref().map(Value::to_string).or_else(|| self.text.clone());
        let body = body.map(|body| fill(&body, variables)).transpose()?;
        Ok(Filled { method: self.method.clone(), url, headers: filled, body })
    }

    /// Whether it was answered as it should be; keeps what is asked for later.
    pub(super) fn judge(&self, answer: &Answer, variables: &mut Variables) -> Verdict {
        let shown = || String::from_utf8_lossy(&answer.body).chars().take(400).collect::<String>();
        if answer.status != self.status {
            return Verdict::Broken(format!("{} in the place of {}: {}", answer.status, self.status, shown()));
        }
        for (name, wanted) in &self.answer_headers {
            let found = answer.header(name);
            if found.is_none() || (wanted != "*" && found != Some(wanted)) {
                return Verdict::Broken(format!("the header {name} is {found:?}"));
            }
        }
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        if let Some(wanted) = &self.body
            && let Err(why) = shape::matches(wanted, &body, variables)
        {
            return Verdict::Broken(format!("{why}: {}", shown()));
        }
        for (name, pointer) in &self.save {
            match body.pointer(pointer).and_then(Value::as_str) {
                Some(value) => variables.insert(name.clone(), value.trim_matches('"').to_owned()),
                None => return Verdict::Broken(format!("nothing is at {pointer}: {}", shown())),
            };
        }
        Verdict::Kept
    }
}
