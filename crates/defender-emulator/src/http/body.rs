//! The JSON body of a POST.

use http::{HeaderMap, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use crate::{
    http::problem::Problem,
    store::{
        action_kind::Asks,
        live_response::{self, Command},
    },
};

/// The bytes that some clients put before their JSON.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The properties of a JSON body, taken out one by one.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body of these properties, as strictly as the service does.
    ///
    /// "Submitted body parameters are currently case-sensitive", and a wrong name gives `InvalidRequestBody` or
    /// `MissingRequiredParameter`: <https://learn.microsoft.com/defender-endpoint/api/common-errors>. Which of the two
    /// is inferred.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8], names: &[&str]) -> Result<Self, Problem> {
        if !is_json(headers) {
            // The type is documented as required; the error without it is inferred.
            return Err(Problem::bad("BadRequest", "Content-Type must be application/json"));
        }
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
            return Err(Problem::bad("InvalidRequestBody", "Request body is not a JSON object"));
        };
        if let Some(name) = body.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(Problem::bad("InvalidRequestBody", format!("Unknown property {name} in the request body")));
        }
        Ok(Self(body))
    }

    /// An optional text that may be null, by the service's metadata.
    pub(crate) fn nullable(&mut self, name: &str) -> Result<Option<String>, Problem> {
        if self.0.get(name).is_some_and(Value::is_null) {
            self.0.remove(name);
        }
        self.text(name)
    }

    /// An optional text that must not be null: by the service's metadata that is so of enums.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::bad("InvalidRequestBody", format!("{name} must be a string"))),
        }
    }

    /// A text that must be there and not be blank.
    pub(crate) fn required(&mut self, name: &str) -> Result<String, Problem> {
        if self.0.get(name).is_some_and(Value::is_null) {
            self.0.remove(name);
        }
        let text = self.text(name)?.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| Problem::bad("MissingRequiredParameter", format!("{name} is required")))
    }

    /// A required text that must be one of `words`, the values of an enum.
    pub(crate) fn required_word(
        &mut self,
        name: &str,
        words: &'static [&'static str],
    ) -> Result<&'static str, Problem> {
        choice_of(name, &self.required(name)?, words)
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let wrong = || Problem::bad("InvalidRequestBody", format!("{name} must be an array of strings"));
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        let Value::Array(values) = value else { return Err(wrong()) };
        let texts = values.into_iter().map(|value| match value {
            Value::String(text) => Ok(text),
            _ => Err(wrong()),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    fn value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }
}

/// Returns the one of `words` that equals `text`. An unknown value is `InvalidInput`, which is inferred.
pub(crate) fn choice_of(name: &str, text: &str, words: &'static [&'static str]) -> Result<&'static str, Problem> {
    let found = words.iter().copied().find(|choice_of| *choice_of == text);
    found.ok_or_else(|| Problem::bad("InvalidInput", format!("{name} must be one of {}", words.join(", "))))
}

/// The values of `RequestSource` in a request and of `requestSource` in a record.
pub(crate) const REQUEST_SOURCES: &[&str] = &[
    "Unspecified",
    "PublicApi",
    "Portal",
    "MCAS",
    "TVM",
    "CustomDetection",
    "BulkAction",
    "ISG",
    "NDR",
    "EndpointConfigManagement",
    "IncidentTasks",
    "MDI",
    "ActiveScan",
];

/// The properties of every action's body, by the service's own metadata; a page names only the first.
pub(crate) const COMMON: &[&str] = &["Comment", "ExternalId", "Title", "RequestSource"];

/// The properties of an action's POST.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) comment: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) request_source: Option<&'static str>,
    /// The record's `scope`.
    pub(crate) scope: Option<&'static str>,
    pub(crate) sha1: Option<String>,
    pub(crate) commands: Vec<Command>,
}

impl Asked {
    /// Reads it.
    pub(crate) fn read(asks: Asks, headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        let own: &[&str] = match asks {
            Asks::Nothing => &[],
            Asks::Isolation => &["IsolationType"],
            Asks::Scan => &["ScanType"],
            Asks::File => &["Sha1"],
            Asks::Commands => &["Commands"],
        };
        let mut fields = Fields::read(headers, body, &[COMMON, own].concat())?;
        let mut asked = Self { external_id: fields.nullable("ExternalId")?, ..Self::default() };
        asked.title = fields.nullable("Title")?;
        let source = fields.text("RequestSource")?;
        asked.request_source = source.map(|source| choice_of("RequestSource", &source, REQUEST_SOURCES)).transpose()?;
        asked.comment = match asks {
            Asks::Commands => fields.nullable("Comment")?,
            _ => Some(fields.required("Comment")?),
        };
        match asks {
            Asks::Nothing => {}
            Asks::Isolation => {
                const TYPES: &[&str] = &["Full", "Selective", "UnManagedDevice"];
                let isolation = fields.text("IsolationType")?;
                asked.scope = Some(isolation.map_or(Ok("Full"), |text| choice_of("IsolationType", &text, TYPES))?);
            }
            Asks::Scan => asked.scope = Some(fields.required_word("ScanType", &["Quick", "Full"])?),
            Asks::File => asked.sha1 = Some(sha1(fields.required("Sha1")?)?),
            Asks::Commands => {
                let missing = || Problem::bad("MissingRequiredParameter", "Commands is required");
                asked.commands = live_response::read(fields.value("Commands").ok_or_else(missing)?)?;
            }
        }
        Ok(asked)
    }
}

fn sha1(text: String) -> Result<String, Problem> {
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(Problem::bad("InvalidHashValue", "Sha1 must be 40 hexadecimal digits"))
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
