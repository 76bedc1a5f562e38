//! The live-response library.
//!
//! Source: <https://learn.microsoft.com/defender-endpoint/api/upload-library> and its neighbours.

use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde_json::json;

use crate::{
    entra::jwt::Claims,
    http::{multipart::parts, problem::Problem, response::ApiResponse},
    service::Service,
    store::{
        ledger::Effect,
        library::{LARGEST_FILE, LibraryFile},
    },
    wire_format::Requestor,
};

/// Handles a GET of the list.
pub(crate) fn list(service: &Service) -> ApiResponse {
    let world = service.world();
    let rows: Vec<_> = world.library.iter().map(|(name, file)| file.row(name)).collect();
    let context = format!("{}/api/$metadata#LibraryFiles", service.base_url);
    ApiResponse::entity(StatusCode::OK, &json!({ "@odata.context": context, "value": rows }))
}

/// Handles a POST of a file. The page's table calls the part `File` and its sample `file`: both are taken. The codes are
/// inferred.
pub(crate) fn upload(
    service: &Service,
    caller: &Claims,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<ApiResponse, Problem> {
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
        .by(caller.requestor(Requestor::ApplicationId).to_owned())
        .at(older.map_or(now, |older| older.created), now);
    let mut row = file.row(&name);
    if let Some(row) = row.as_object_mut() {
        row.insert(
            "@odata.context".to_owned(),
            format!("{}/api/$metadata#LibraryFiles/$entity", service.base_url).into(),
        );
    }
    world.library.insert(name, file);
    Ok(ApiResponse::entity(StatusCode::OK, &row).with(Effect::Changed))
}

/// Handles a DELETE of one.
pub(crate) fn delete(service: &Service, name: &str) -> Result<ApiResponse, Problem> {
    match service.world().library.remove(name) {
        Some(_) => Ok(ApiResponse::empty(StatusCode::NO_CONTENT).with(Effect::Changed)),
        None => Err(Problem::no_such("File", name)),
    }
}
