//! The ledger: every POST that the API received, and what it did.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};

use crate::{path::Received, problem::Problem, service::Service};

/// More than any action's body needs. What the service's own limit is, nobody has written down.
const LARGEST_BODY: usize = 1 << 20;

/// One POST that the API received, in the order in which they came. See [`Emulator::ledger`](crate::Emulator::ledger).
///
/// It holds no token: only whether there was an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The method, which so far is always `POST`.
    pub method: String,
    /// The path as the client wrote it, without the query.
    pub path: String,
    /// Whether there was an `Authorization` header, whatever its value.
    pub authorization_present: bool,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The header `User-Agent`.
    pub user_agent: Option<String>,
    /// The header `client-request-id`, by which a driver tells its sendings apart.
    pub client_request_id: Option<String>,
    /// The body as it came; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// The status of the answer.
    pub status: u16,
    /// What the POST did.
    pub effect: Effect,
}

/// What a POST did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// It made the machine action with this id.
    Created(String),
}

/// The entries, in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Entry>>);

impl Ledger {
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.locked().clone()
    }

    /// Writes down what has come, and gives the place at which its outcome goes.
    fn open(&self, entry: Entry) -> usize {
        let mut entries = self.locked();
        entries.push(entry);
        entries.len() - 1
    }

    fn close(&self, place: usize, status: StatusCode, effect: Effect) {
        if let Some(entry) = self.locked().get_mut(place) {
            entry.status = status.as_u16();
            entry.effect = effect;
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes every POST below `/api` into the ledger. Between reading the body and answering nothing waits, so that an entry whose
/// answer the client did not stay for has its outcome too.
pub(crate) async fn record(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let api = request.uri().path().split('/').nth(1) == Some("api");
    if request.method() != Method::POST || !api {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await;
    let path = head.extensions.get::<Received>().map_or_else(|| head.uri.path().to_owned(), |path| path.0.clone());
    let place = service.ledger.open(Entry {
        method: head.method.to_string(),
        path,
        authorization_present: head.headers.contains_key(AUTHORIZATION),
        content_type: text(&head.headers, &CONTENT_TYPE),
        user_agent: text(&head.headers, &USER_AGENT),
        client_request_id: text(&head.headers, &HeaderName::from_static("client-request-id")),
        body: body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default(),
        status: 0,
        effect: Effect::None,
    });
    let mut response = match body {
        Ok(body) => next.run(Request::from_parts(head, Body::from(body))).await,
        // Inferred: the documentation has no word for it.
        Err(_) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BadRequest", "Request body is too large").into_response()
        }
    };
    let effect = response.extensions_mut().remove().unwrap_or_default();
    service.ledger.close(place, response.status(), effect);
    response
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
