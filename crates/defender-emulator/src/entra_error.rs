//! Entra's error answers.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::entra::HEADERS;

/// Why there is no token: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
#[derive(Debug)]
pub(crate) struct EntraError {
    status: StatusCode,
    error: &'static str,
    number: u32,
    text: String,
}

impl EntraError {
    /// A 400.
    pub(crate) fn bad(error: &'static str, number: u32, text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, number, text: text.into() }
    }

    /// A 401: the application did not prove who it is.
    pub(crate) fn invalid_client(number: u32, text: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::bad("invalid_client", number, text) }
    }

    /// A parameter is not there.
    pub(crate) fn missing(name: &str) -> Self {
        Self::bad(
            "invalid_request",
            900_144,
            format!("The request body must contain the following parameter: '{name}'."),
        )
    }

    /// The answer, as Entra shapes it: the text carries in lines of their own what the fields say again.
    pub(crate) fn at(self, now: Timestamp, authority: &str) -> Response {
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let (trace, correlation) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let Self { status, error, number, text } = self;
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
            ),
            "error_codes": [number],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{authority}/error?code={number}"),
        });
        (status, HEADERS, body.to_string()).into_response()
    }
}
