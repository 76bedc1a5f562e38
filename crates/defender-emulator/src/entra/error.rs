//! Entra's error responses.

use axum::response::{IntoResponse, Response};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA},
};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// The headers of every response of the token endpoint.
pub(crate) const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache")),
    (PRAGMA, HeaderValue::from_static("no-cache")),
];

/// An error of the token endpoint: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
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

    /// The one of this AADSTS number, of those that <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
    /// calls common; another is Entra's own fault.
    pub(crate) fn numbered(number: u32) -> Self {
        let (error, text) = match number {
            7_000_215 => ("invalid_client", "Invalid client secret provided."),
            7_000_222 => ("invalid_client", "The provided client secret keys are expired."),
            700_027 => ("invalid_client", "Client assertion failed signature validation."),
            700_024 => ("invalid_client", "Client assertion is not within its valid time range."),
            700_016 => ("unauthorized_client", "Application was not found in the directory."),
            7_000_112 => ("unauthorized_client", "Application is disabled."),
            90_002 | 900_023 => ("invalid_request", "Tenant not found."),
            500_011 => ("invalid_resource", "The resource principal was not found in the tenant."),
            70_011 | 1_002_012 => ("invalid_scope", "The provided value for scope is not valid."),
            650_057 => ("invalid_resource", "The resource is not listed in the application's requested permissions."),
            65_001 => ("invalid_grant", "The user or administrator has not consented to use the application."),
            50_076 | 50_079 => ("interaction_required", "You must use multi-factor authentication to access."),
            53_000 | 53_003 => ("interaction_required", "Access has been blocked by Conditional Access policies."),
            50_173 | 70_008 | 700_082 | 70_043 => ("invalid_grant", "The refresh token has expired or was revoked."),
            50_196 => {
                ("invalid_grant", "The server terminated an operation because it encountered a client request loop.")
            }
            50_033 | 90_006 | 90_024 | 90_033 => ("temporarily_unavailable", "A transient error has occurred."),
            _ => ("server_error", "An unexpected error has occurred."),
        };
        match error {
            "invalid_client" => Self::invalid_client(number, text),
            "temporarily_unavailable" => {
                Self { status: StatusCode::SERVICE_UNAVAILABLE, ..Self::bad(error, number, text) }
            }
            "server_error" => Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..Self::bad(error, number, text) },
            _ => Self::bad(error, number, text),
        }
    }

    /// A temporary failure of Entra, with this status.
    pub(crate) fn outage(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, ..Self::numbered(90_033) }
    }

    /// Returns the response in Entra's form: the description repeats the ids and the time of the fields.
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
