//! The responses of successful calls.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use crate::store::ledger::Effect;

/// A response, and the effect of the call.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    body: Vec<u8>,
    kind: &'static str,
    pub(crate) effect: Effect,
}

/// The content type seen on the service's own resources.
const RESOURCE: &str = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8";

impl ApiResponse {
    /// A resource.
    pub(crate) fn entity<T: Serialize + ?Sized>(status: StatusCode, body: &T) -> Self {
        Self::sized(status, body, 1)
    }

    /// A list of about this many rows, which sizes its buffer.
    pub(crate) fn sized<T: Serialize + ?Sized>(status: StatusCode, body: &T, rows: usize) -> Self {
        let mut written = Vec::with_capacity(rows.saturating_mul(1_000).saturating_add(200));
        // No response can fail to be written: the names of its fields are texts.
        let _written = serde_json::to_writer(&mut written, body);
        Self { status, body: written, kind: RESOURCE, effect: Effect::None }
    }

    /// A document in XML.
    pub(crate) fn xml(status: StatusCode, text: String) -> Self {
        Self { status, body: text.into(), kind: "application/xml", effect: Effect::None }
    }

    /// A status alone.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, body: Vec::new(), kind: "", effect: Effect::None }
    }

    /// A bare number, as `/$count` gives it.
    pub(crate) fn number(number: usize) -> Self {
        Self { status: StatusCode::OK, body: number.to_string().into(), kind: "text/plain", effect: Effect::None }
    }

    pub(crate) fn with(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }
}

impl IntoResponse for ApiResponse {
    fn into_response(self) -> Response {
        let version = (HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"));
        if self.body.is_empty() {
            return (self.status, [version]).into_response();
        }
        (self.status, [(CONTENT_TYPE, HeaderValue::from_static(self.kind)), version], self.body).into_response()
    }
}
