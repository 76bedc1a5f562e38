//! The API's error responses.

use axum::response::{IntoResponse, Response};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;
use uuid::Uuid;

use crate::wire_format::json_style::JsonStyle;

/// An error of the API: `{"error":{"code","message","target"}}`, where `target` is an id for the support.
///
/// Source: <https://learn.microsoft.com/defender-endpoint/api/common-errors>. The messages are free text there, and so
/// here.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// A new GUID, if none.
    target: Option<Box<str>>,
    header: Option<(HeaderName, String)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), target: None, header: None }
    }

    /// A query that is not understood: an empty code, `details` and no target, as in microsoft-365-docs#12682.
    pub(crate) fn query(why: impl AsRef<str>) -> Self {
        Self::bad("", format!("The query specified in the URI is not valid. {}", why.as_ref()))
    }

    /// A 400.
    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A 401, with a `WWW-Authenticate: Bearer` challenge.
    pub(crate) fn unauthorized(message: &str, challenge: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
            .header(WWW_AUTHENTICATE, format!("Bearer {challenge}"))
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// A 404 of a machine or an action that is not there. The message is seen in the wild: microsoft-365-docs#13047.
    pub(crate) fn no_such(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", format!("{what} {id} was not found"))
    }

    /// A 429, with this `Retry-After`.
    pub(crate) fn too_many(message: impl Into<String>, retry_after: Option<String>) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        Self { header: retry_after.map(|when| (RETRY_AFTER, when)), ..problem }
    }

    /// Sets the target, in this form.
    pub(crate) fn targeted(self, style: JsonStyle, id: Uuid) -> Self {
        Self { target: Some(style.target(id).into()), ..self }
    }

    /// Adds a header.
    pub(crate) fn header(self, name: HeaderName, value: String) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = match self.code {
            "" => json!({ "error": { "code": "", "message": self.message, "details": [] } }),
            code => {
                let target = self.target.unwrap_or_else(|| Uuid::new_v4().to_string().into());
                json!({ "error": { "code": code, "message": self.message, "target": target } })
            }
        };
        let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))];
        let mut response = (self.status, kind, body.to_string()).into_response();
        if let Some((name, value)) = self.header
            && let Ok(value) = HeaderValue::try_from(value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
