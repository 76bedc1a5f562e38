//! The API's error answers.

use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::json;
use uuid::Uuid;

/// An error as the API tells it: `{"error":{"code","message","target"}}`, where `target` is an id for the support.
///
/// Source: <https://learn.microsoft.com/defender-endpoint/api/common-errors>. The messages are free text there, and so
/// here.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    challenge: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), challenge: None }
    }

    /// A 400.
    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A 401, with what `WWW-Authenticate` says after `Bearer`.
    pub(crate) fn unauthorized(message: &str, challenge: &str) -> Self {
        let problem = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        Self { challenge: Some(format!("Bearer {challenge}")), ..problem }
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// A 404 of a machine or an action that is not there. The words are seen in the wild: microsoft-365-docs#13047.
    pub(crate) fn no_such(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", format!("{what} {id} was not found"))
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "error": { "code": self.code, "message": self.message, "target": Uuid::new_v4().to_string() }
        });
        let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))];
        let mut response = (self.status, kind, body.to_string()).into_response();
        if let Some(challenge) = self.challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
