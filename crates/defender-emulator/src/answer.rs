//! What a call is answered with, when all is well.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

use crate::ledger::Effect;

/// An answer, and what the call did.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    body: String,
    kind: &'static str,
    pub(crate) effect: Effect,
}

/// The content type seen on the service's own resources.
const RESOURCE: &str = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8";

impl Answer {
    /// A resource.
    pub(crate) fn entity(status: StatusCode, body: &Value) -> Self {
        Self { status, body: body.to_string(), kind: RESOURCE, effect: Effect::None }
    }

    /// A status alone.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, body: String::new(), kind: "", effect: Effect::None }
    }

    /// A bare number, as `/$count` gives it.
    pub(crate) fn number(number: usize) -> Self {
        Self { status: StatusCode::OK, body: number.to_string(), kind: "text/plain", effect: Effect::None }
    }

    pub(crate) fn with(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let version = (HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"));
        if self.body.is_empty() {
            return (self.status, [version]).into_response();
        }
        (self.status, [(CONTENT_TYPE, HeaderValue::from_static(self.kind)), version], self.body).into_response()
    }
}
