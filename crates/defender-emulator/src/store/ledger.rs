//! The ledger: every POST that the API received, and what it did.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
    request::Parts,
};

/// One POST, PATCH or DELETE that the API received, in the order in which they came. See [`Emulator::ledger`](crate::Emulator::ledger).
///
/// It has no token, only a flag for the `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The method.
    pub method: String,
    /// The path as the client wrote it, without the query.
    pub path: String,
    /// Set if there was an `Authorization` header, whatever its value.
    pub authorization_present: bool,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The header `User-Agent`.
    pub user_agent: Option<String>,
    /// The header `client-request-id`, by which a driver finds its attempts.
    pub client_request_id: Option<String>,
    /// The body as it came; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// The status of the response; 0 without one.
    pub status: u16,
    /// The effect of the request.
    pub effect: Effect,
}

/// The effect of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// The machine action of this id was created.
    Created(String),
    /// The response was this action, which was there before.
    Joined(String),
    /// This action was cancelled.
    Cancelled(String),
    /// Something other than an action was changed.
    Changed,
}

impl Entry {
    /// Returns the entry of a request that has arrived.
    pub(crate) fn of(head: &Parts, body: &[u8]) -> Self {
        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            authorization_present: head.headers.contains_key(AUTHORIZATION),
            content_type: text(&head.headers, &CONTENT_TYPE),
            user_agent: text(&head.headers, &USER_AGENT),
            client_request_id: text(&head.headers, &HeaderName::from_static("client-request-id")),
            body: String::from_utf8_lossy(body).into_owned(),
            status: 0,
            effect: Effect::None,
        }
    }
}

/// The entries, in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Entry>>);

impl Ledger {
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.locked().clone()
    }

    /// Returns the entries from this place on.
    pub(crate) fn entries_from(&self, place: usize) -> Vec<Entry> {
        self.locked().get(place..).unwrap_or_default().to_vec()
    }

    pub(crate) fn clear(&self) {
        self.locked().clear();
    }

    /// Writes down what has come, and gives the place at which its outcome goes.
    pub(crate) fn open(&self, entry: Entry) -> usize {
        let mut entries = self.locked();
        entries.push(entry);
        entries.len() - 1
    }

    pub(crate) fn close(&self, place: usize, effect: Effect) {
        if let Some(entry) = self.locked().get_mut(place) {
            entry.effect = effect;
        }
    }

    pub(crate) fn set_status(&self, place: usize, status: StatusCode) {
        if let Some(entry) = self.locked().get_mut(place) {
            entry.status = status.as_u16();
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
