//! What an action's POST must carry.

use http::{HeaderMap, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use crate::problem::Problem;

/// What restricting and lifting the restriction are asked with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestBody {
    pub(crate) comment: String,
    pub(crate) external_id: Option<String>,
}

impl RequestBody {
    /// Reads it as strictly as the service does.
    ///
    /// "Submitted body parameters are currently case-sensitive", and a wrong name gives one of the two codes below:
    /// <https://learn.microsoft.com/defender-endpoint/api/common-errors>. That null is refused where an option is left
    /// out, other clients found out.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        if !is_json(headers) {
            // That the type is required is documented; which error its absence gives is inferred.
            return Err(Problem::bad("BadRequest", "Content-Type must be application/json"));
        }
        let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
            return Err(Problem::bad("InvalidRequestBody", "Request body is not a JSON object"));
        };
        if let Some(name) = body.keys().find(|name| !["Comment", "ExternalId"].contains(&name.as_str())) {
            return Err(Problem::bad("InvalidRequestBody", format!("Unknown property {name} in the request body")));
        }
        // The documentation says that a customer can submit this id, and not how: the name is inferred.
        let external_id = text(&mut body, "ExternalId")?;
        if body.get("Comment").is_some_and(Value::is_null) {
            body.remove("Comment");
        }
        let comment = text(&mut body, "Comment")?.filter(|comment| !comment.trim().is_empty());
        let comment = comment.ok_or_else(|| Problem::bad("MissingRequiredParameter", "Comment is required"))?;
        Ok(Self { comment, external_id })
    }
}

fn text(body: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match body.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::bad("InvalidRequestBody", format!("{name} must be a string"))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
