//! The request log: a line of JSON for every request, with or without a response.

use std::{
    collections::VecDeque,
    fmt,
    io::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Body;
use http::{Method, Request, StatusCode, Uri};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    faults::kind::Fault,
    http::{operation::Operation, route::is_api},
};

/// The destination of the lines.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<dyn Write + Send>>);

/// The fields of a request, kept until its response.
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
    /// The operation, by its name in [`Operation`].
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_request_id: Option<&'a str>,
    /// Absent without a response.
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

/// The number of requests kept; the oldest go first.
const KEPT: usize = 10_000;

/// The last requests, GETs too, without tokens and bodies.
#[derive(Debug, Default)]
pub(crate) struct RecentRequests(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The number of the oldest that is kept.
    first: usize,
    lines: VecDeque<Value>,
}

impl RecentRequests {
    pub(crate) fn add(&self, line: Value) {
        let mut kept = self.locked();
        if kept.lines.len() == KEPT {
            kept.lines.pop_front();
            kept.first += 1;
        }
        kept.lines.push_back(line);
    }

    /// Returns the requests from this number on, with the number of the first.
    pub(crate) fn from(&self, number: usize) -> (usize, Vec<Value>) {
        let kept = self.locked();
        let skipped = number.saturating_sub(kept.first);
        (kept.first.max(number), kept.lines.iter().skip(skipped).cloned().collect())
    }

    pub(crate) fn clear(&self) {
        *self.locked() = Kept::default();
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_requests_are_forgotten() {
        let log = RecentRequests::default();
        (0..KEPT + 5).for_each(|number| log.add(number.into()));
        let (first, lines) = log.from(0);
        assert_eq!((first, lines.len(), &lines[0]), (5, KEPT, &Value::from(5)));
        assert_eq!(log.from(KEPT + 4), (KEPT + 4, vec![Value::from(KEPT + 4)]));
        assert_eq!(log.from(KEPT + 99).1, Vec::<Value>::new());
    }
}
