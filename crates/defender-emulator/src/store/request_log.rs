//! The request log: a line of JSON for every request that was answered, or was not.

use std::{
    fmt,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::Body;
use http::{Method, Request, StatusCode, Uri};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    faults::kind::Fault,
    http::{operation::Operation, route::is_api},
};

/// The destination of the lines.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<dyn Write + Send>>);

/// The fields of a request, kept until it is answered.
pub(crate) struct Noted {
    method: Method,
    uri: Uri,
    client_request_id: Option<String>,
}

/// One request, as it is written down: no header but the client's request id, no token, no body, and of a query only the
/// API's own, since a link's has a signature in it and a sign-in's a code.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    time: String,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    /// The operation, by its name in [`Operation`](crate::Operation).
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_request_id: Option<&'a str>,
    /// Absent where no answer was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl Noted {
    pub(crate) fn of(request: &Request<Body>) -> Self {
        let id = request.headers().get("client-request-id");
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            client_request_id: id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned()),
        }
    }

    pub(crate) fn line(
        &self,
        now: Timestamp,
        operation: Option<Operation>,
        status: Option<StatusCode>,
        fault: Option<Fault>,
    ) -> Line<'_> {
        Line {
            time: now.to_string(),
            method: self.method.as_str(),
            path: self.uri.path(),
            query: self.uri.query().filter(|_| is_api(self.uri.path())),
            operation: operation.map(|operation| format!("{operation:?}")),
            client_request_id: self.client_request_id.as_deref(),
            status: status.map(|status| status.as_u16()),
            fault: fault.map(|fault| format!("{fault:?}")),
        }
    }
}

impl Log {
    pub(crate) fn new(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(to)))
    }

    /// Writes a line. A failed write is ignored: a log is no reason to refuse a request.
    pub(crate) fn write(&self, line: &Line<'_>) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _written = to.write_all(&text).and_then(|()| to.flush());
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}
