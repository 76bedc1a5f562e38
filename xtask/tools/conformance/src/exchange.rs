//! One exchange, as its file has it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;
use xtask::Failure;

use super::{
    curl::{Filled, Response},
    shape,
    signing::Token,
    variables::{Variables, fill},
};

/// The exchanges of one file, in their order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suite {
    /// Arguments of the emulator's program; names in `${}` are those of the keys.
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    pub(super) exchanges: Vec<Exchange>,
}

/// One exchange.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    pub(super) name: String,
    /// Source of the fact that it checks.
    pub(super) source: String,
    /// The program is started again first; it is asked under the address, CA, ids and secret that it had before.
    #[serde(default)]
    pub(super) restart: bool,
    /// A signed token that is made first.
    pub(super) signs: Option<Token>,
    /// The certificate to trust, in the place of the CA's that the emulator wrote.
    pub(super) ca_file: Option<String>,
    /// The certificate is first checked as strict clients check it (`X509_V_FLAG_X509_STRICT`).
    #[serde(default)]
    pub(super) strict_tls: bool,
    /// Number of requests; `${index}` counts from 0, and `${machine_at}` is the machine of this number.
    #[serde(default = "once")]
    pub(super) times: u32,
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
    /// Headers of the response: the whole value, or `*` for any.
    #[serde(default)]
    answer_headers: BTreeMap<String, String>,
    /// The protocol of the response, such as `HTTP/2`.
    version: Option<String>,
    /// The shape of the response's body.
    body: Option<Value>,
    /// Parts of its text; an empty part is for a body without a byte.
    #[serde(default)]
    contains: Vec<String>,
    /// Names for later, each with where its value is in the response, or `location?code` for a parameter of the URL
    /// that a browser is sent to.
    #[serde(default)]
    save: BTreeMap<String, String>,
}

const fn once() -> u32 {
    1
}

/// Result of an exchange.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Kept,
    Broken(String),
    /// It names something that is not known of the target.
    Skipped(String),
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
        let url = if path.starts_with("http") { path } else { format!("{}{path}", fill("${base}", variables)?) };
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

    /// Compares the response with the exchange, and saves the values for later.
    pub(super) fn judge(&self, response: &Response, variables: &mut Variables) -> Verdict {
        let shown = || String::from_utf8_lossy(&response.body).chars().take(400).collect::<String>();
        if response.status != self.status {
            return Verdict::Broken(format!("{} in the place of {}: {}", response.status, self.status, shown()));
        }
        if let Some(wanted) = self.version.as_ref().filter(|wanted| **wanted != response.version) {
            return Verdict::Broken(format!("{} in the place of {wanted}", response.version));
        }
        for (name, wanted) in &self.answer_headers {
            let found = response.header(name);
            if found.is_none() || (wanted != "*" && found != Some(wanted)) {
                return Verdict::Broken(format!("the header {name} is {found:?}"));
            }
        }
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        if let Some(wanted) = &self.body
            && let Err(why) = shape::matches(wanted, &body, variables)
        {
            return Verdict::Broken(format!("{why}: {}", shown()));
        }
        for wanted in &self.contains {
            let found = String::from_utf8_lossy(&response.body);
            match fill(wanted, variables) {
                Ok(wanted) if !wanted.is_empty() && found.contains(&wanted) => {}
                Ok(wanted) if wanted.is_empty() && found.is_empty() => {}
                Ok(wanted) => return Verdict::Broken(format!("{wanted:?} is not in it: {}", shown())),
                Err(missing) => return Verdict::Broken(format!("{missing} is not known")),
            }
        }
        for (name, pointer) in &self.save {
            let parameter = pointer.strip_prefix("location?").and_then(|parameter| {
                let (_, query) = response.header("location")?.split_once('?')?;
                query.split('&').find_map(|pair| pair.strip_prefix(parameter)?.strip_prefix('='))
            });
            match parameter.or_else(|| body.pointer(pointer)?.as_str()) {
                Some(value) => variables.insert(name.clone(), value.trim_matches('"').to_owned()),
                None => return Verdict::Broken(format!("nothing is at {pointer}: {}", shown())),
            };
        }
        Verdict::Kept
    }
}
