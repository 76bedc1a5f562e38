//! Responses as the service writes them.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use defender_model::MachineAction;

/// Returns the response to an accepted action: 201 with its record.
#[must_use]
pub fn created(action: &MachineAction) -> Response<Bytes> {
    response(StatusCode::CREATED, &json!(action))
}

/// Returns the response to a read: 200 with this record.
///
/// ```
/// use defender_actions::testing::{self, Capture};
///
/// let service = Capture::answering(testing::ok(&testing::machine("ws-eng-04")));
/// ```
#[must_use]
pub fn ok(record: &impl Serialize) -> Response<Bytes> {
    response(StatusCode::OK, &json!(record))
}

/// Returns the response to the read of a list: 200 with the only page, which has these records.
///
/// ```
/// use defender_actions::testing::{self, Capture};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let service = Capture::answering(testing::list(&[testing::machine("ws-eng-04")]));
/// let found = testing::client(service).machines().find("WS-ENG-04").await?;
/// assert_eq!(found.computer_dns_name.as_deref(), Some("ws-eng-04"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn list(records: &[impl Serialize]) -> Response<Bytes> {
    response(StatusCode::OK, &json!({ "value": records }))
}

/// Returns a refusal of the service with this status and code, such as `problem(400, "ActiveRequestAlreadyExists")`. The codes are
/// those of [`Code`](defender_model::Code).
///
/// # Panics
///
/// If `status` is not a status of HTTP.
#[must_use]
#[track_caller]
#[expect(clippy::expect_used, reason = "the kit is for tests")]
pub fn problem(status: u16, code: &str) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).expect("a status of HTTP has three digits");
    let message = format!("{code}, says the test");
    response(status, &json!({ "error": { "code": code, "message": message, "target": "a-test" } }))
}

fn response(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert("odata-version", header::HeaderValue::from_static("4.0"));
    response
}
