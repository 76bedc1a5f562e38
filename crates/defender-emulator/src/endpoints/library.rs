//! The live-response library.
//!
//! Source: <https://learn.microsoft.com/defender-endpoint/api/upload-library> and its neighbours.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    entra::jwt::Claims,
    http::{multipart::parts, problem::Problem, response::Answer},
    service::Service,
    store::ledger::Effect,
    wire_format::{Requestor, json_style::date},
};

/// The largest file, by the page.
pub(crate) const LARGEST_FILE: usize = 20 << 20;

/// The files, by their names.
pub(crate) type Library = BTreeMap<String, LibraryFile>;

/// One file, without its content.
#[derive(Clone, Debug)]
pub(crate) struct LibraryFile {
    sha256: String,
    description: Option<String>,
    created: Timestamp,
    updated: Timestamp,
    created_by: String,
    has_parameters: bool,
    parameters_description: Option<String>,
}

impl LibraryFile {
    /// A file of this content, about which nothing else is known.
    pub(crate) fn new(content: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, content);
        Self {
            sha256: hex(hash.as_ref()),
            description: None,
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            created_by: String::new(),
            has_parameters: false,
            parameters_description: None,
        }
    }

    pub(crate) fn described(
        self,
        description: Option<String>,
        has_parameters: bool,
        parameters: Option<String>,
    ) -> Self {
        let has_parameters = has_parameters || parameters.is_some();
        Self { description, has_parameters, parameters_description: parameters, ..self }
    }

    pub(crate) fn by(self, created_by: String) -> Self {
        Self { created_by, ..self }
    }

    pub(crate) fn at(self, created: Timestamp, updated: Timestamp) -> Self {
        Self { created, updated, ..self }
    }

    fn row(&self, name: &str) -> Value {
        json!({
            "fileName": name,
            "sha256": self.sha256,
            "description": self.description,
            "creationTime": date(self.created, 7),
            "lastUpdatedTime": date(self.updated, 7),
            "createdBy": self.created_by,
            "hasParameters": self.has_parameters,
            "parametersDescription": self.parameters_description,
        })
    }
}

/// Answers a GET of the list.
pub(crate) fn list(service: &Service) -> Answer {
    let world = service.world();
    let rows: Vec<_> = world.library.iter().map(|(name, file)| file.row(name)).collect();
    let context = format!("{}/api/$metadata#LibraryFiles", service.base_url);
    Answer::entity(StatusCode::OK, &json!({ "@odata.context": context, "value": rows }))
}

/// Answers a POST of a file. The page's table calls the part `File` and its sample `file`: both are taken. The codes are
/// inferred.
pub(crate) fn upload(service: &Service, caller: &Claims, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let parts =
        parts(kind, body).ok_or_else(|| Problem::bad("InvalidRequestBody", "The body is not multipart/form-data"))?;
    let text = |name: &str| {
        let part = parts.iter().find(|part| part.name == name)?;
        Some(String::from_utf8_lossy(part.content).into_owned()).filter(|text| !text.is_empty())
    };
    let file = parts.iter().find(|part| part.name.eq_ignore_ascii_case("file"));
    let named = file.and_then(|file| Some((file.file_name.clone().filter(|name| !name.is_empty())?, file.content)));
    let (name, content) = named.ok_or_else(|| Problem::bad("MissingRequiredParameter", "File is required"))?;
    if content.len() > LARGEST_FILE {
        return Err(Problem::bad("InvalidInput", "The file is larger than 20 MB"));
    }
    let is_true = |name| text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let mut world = service.world();
    let now = service.clock.now();
    let older = world.library.get(&name);
    if older.is_some() && !is_true("OverrideIfExists") {
        return Err(Problem::bad("BadRequest", format!("File {name} already exists in the library")));
    }
    let file = LibraryFile::new(content)
        .described(text("Description"), is_true("HasParameters"), text("ParametersDescription"))
        .by(caller.requestor(service, Requestor::ApplicationId).to_owned())
        .at(older.map_or(now, |older| older.created), now);
    let mut row = file.row(&name);
    if let Some(row) = row.as_object_mut() {
        row.insert(
            "@odata.context".to_owned(),
            format!("{}/api/$metadata#LibraryFiles/$entity", service.base_url).into(),
        );
    }
    world.library.insert(name, file);
    Ok(Answer::entity(StatusCode::OK, &row).with(Effect::Changed))
}

/// Answers a DELETE of one.
pub(crate) fn delete(service: &Service, name: &str) -> Result<Answer, Problem> {
    match service.world().library.remove(name) {
        Some(_) => Ok(Answer::empty(StatusCode::NO_CONTENT).with(Effect::Changed)),
        None => Err(Problem::no_such("File", name)),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
