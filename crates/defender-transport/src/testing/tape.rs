//! Expected requests, and the response to each.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, Uri};
use serde_json::Value;

use super::side_by_side::SideBySide;
use crate::{Body, Error, Transport};

/// Expected requests, each with its response, played once. Clones play the same tape.
///
/// A request matches when its method is the expected one, and its URL (where the expected one has no host, its path and
/// query), and each header that is stated, and its body: by value where both are JSON, else byte by byte. A body of no
/// bytes is expected where none is given; [`AnyBody`] among the expected request's extensions takes any. Headers that are
/// not stated, and other extensions, may be anything.
///
/// A request that does not match panics there and then, with the expected and the actual request side by side.
/// [`verify`](Self::verify) panics if not all was played, and so does dropping the last clone.
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{Transport, testing::Tape};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tape = Tape::in_order()
///     .exchange(
///         Request::post("/things").header("content-type", "application/json").body(r#"{"Name":"x","Size":1}"#)?,
///         Response::builder().status(201).body(r#"{"id":"1"}"#)?,
///     )
///     .exchange(Request::get("/things/1").body("")?, Response::new(r#"{"id":"1","state":"Done"}"#));
///
/// // The code under test.
/// let transport = tape.clone();
/// let request = Request::post("https://example.com/things")
///     .header("content-type", "application/json")
///     .body(Bytes::from_static(br#"{ "Size": 1, "Name": "x" }"#))?;
/// assert_eq!(transport.send(request).await?.status(), 201);
/// transport.send(Request::get("https://example.com/things/1").body(Bytes::new())?).await?;
///
/// tape.verify();
/// # Ok(())
/// # }
/// ```
///
/// Message of a test that did not send the right body:
///
/// ```text
/// request 1 is not what the tape expects as exchange 1 of 2:
///                         expected                         | actual
///   method                POST                             | POST
///   url                   /things                          | /things
///   header content-type   application/json                 | application/json
///   body                  {                                | {
/// !                         "Name": "x",                   |   "Name": "y",
///                           "Size": 1                      |   "Size": 1
///                         }                                | }
/// ```
#[derive(Clone)]
pub struct Tape(Arc<Inner>);

/// Among the extensions of a request that a [`Tape`] expects: its body may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyBody;

struct Inner {
    in_order: bool,
    course: Mutex<Course>,
}

#[derive(Default)]
struct Course {
    /// Exchanges that were not played yet.
    left: Vec<Exchange>,
    /// Number of exchanges that were put on.
    all: usize,
    /// Number of requests that came.
    requests: usize,
    /// Mismatch, reported again at the end, since the panic of a task may be swallowed.
    failure: Option<String>,
}

struct Exchange {
    /// Its place on the tape, from 1.
    number: usize,
    expected: Request<Bytes>,
    response: Result<Response<Body>, Error>,
}

impl Tape {
    /// A tape whose requests must come in the order in which they are put on.
    #[must_use]
    pub fn in_order() -> Self {
        Self(Arc::new(Inner { in_order: true, course: Mutex::default() }))
    }

    /// A tape whose requests may come in any order. Of two that both match, the one put on first is played first.
    #[must_use]
    pub fn in_any_order() -> Self {
        Self(Arc::new(Inner { in_order: false, course: Mutex::default() }))
    }

    /// Adds an exchange: `expected` comes, and `response` is returned.
    #[must_use]
    pub fn exchange(self, expected: Request<impl Into<Bytes>>, response: Response<impl Into<Body>>) -> Self {
        self.put(expected.map(Into::into), Ok(response.map(Into::into)))
    }

    /// Puts on: `expected` comes, and breaks with `error`.
    #[must_use]
    pub fn failure(self, expected: Request<impl Into<Bytes>>, error: Error) -> Self {
        self.put(expected.map(Into::into), Err(error))
    }

    fn put(self, expected: Request<Bytes>, response: Result<Response<Body>, Error>) -> Self {
        let mut course = self.0.course();
        course.all += 1;
        let number = course.all;
        course.left.push(Exchange { number, expected, response });
        drop(course);
        self
    }

    /// Checks that all was played, and that nothing else came.
    ///
    /// # Panics
    ///
    /// If exchanges are left; the message lists them.
    #[track_caller]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn verify(&self) {
        let complaint = self.0.course().complaint();
        if let Some(complaint) = complaint {
            panic!("{complaint}");
        }
    }
}

impl Inner {
    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn drop(&mut self) {
        let complaint = self.course().complaint();
        if let Some(complaint) = complaint.filter(|_| !std::thread::panicking()) {
            panic!("{complaint}");
        }
    }
}

impl Course {
    /// The response to `actual`, or the description of a mismatch.
    fn play(&mut self, actual: &Request<Bytes>, in_order: bool) -> Result<Result<Response<Body>, Error>, String> {
        self.requests += 1;
        let candidates = if in_order { 1 } else { self.left.len() };
        let compared = self.left.iter().take(candidates).map(|one| compare(&one.expected, actual)).enumerate();
        // The first of those with the fewest differences.
        let nearest = compared.min_by_key(|(_, table)| table.differences());
        if let Some((index, table)) = &nearest
            && table.differences() == 0
        {
            return Ok(self.left.remove(*index).response);
        }
        let (request, all) = (self.requests, self.all);
        let number = nearest.as_ref().and_then(|(index, _)| self.left.get(*index)).map_or(0, |one| one.number);
        let complaint = match nearest {
            None => format!("request {request} comes after the end of the tape: {}", line(actual)),
            Some((_, table)) if in_order => {
                format!("request {request} is not what the tape expects as exchange {number} of {all}:\n{table}")
            }
            Some((_, table)) => {
                let left = self.list();
                format!(
                    "request {request} is nothing that is left on the tape:{left}\nthe nearest is {number}:\n{table}"
                )
            }
        };
        self.failure.get_or_insert_with(|| complaint.clone());
        Err(complaint)
    }

    fn complaint(&self) -> Option<String> {
        let unplayed =
            || format!("not all of the tape was played; of {} exchanges these are left:{}", self.all, self.list());
        self.failure.clone().or_else(|| (!self.left.is_empty()).then(unplayed))
    }

    /// Lists the exchanges that were not played, a line each.
    fn list(&self) -> String {
        self.left.iter().fold(String::new(), |list, one| format!("{list}\n  {}: {}", one.number, line(&one.expected)))
    }
}

fn line(request: &Request<Bytes>) -> String {
    format!("{} {}", request.method(), request.uri())
}

/// Sets `actual` beside `expected`, in the parts that `expected` states.
fn compare(expected: &Request<Bytes>, actual: &Request<Bytes>) -> SideBySide {
    let mut table = SideBySide::default();
    table.row("method", expected.method().as_str(), actual.method().as_str());
    let url = |uri: &Uri| {
        let path = || uri.path_and_query().map_or_else(String::new, ToString::to_string);
        if expected.uri().host().is_some() { uri.to_string() } else { path() }
    };
    if expected.uri() == actual.uri() {
        table.row("url", url(actual.uri()), url(actual.uri())); // Hosts are the same in any case of letters.
    } else {
        table.row("url", url(expected.uri()), url(actual.uri()));
    }
    for name in expected.headers().keys() {
        let values = |headers| values(headers, name);
        table.row(&format!("header {name}"), values(expected.headers()), values(actual.headers()));
    }
    if expected.extensions().get::<AnyBody>().is_none() {
        bodies(&mut table, expected.body(), actual.body());
    }
    table
}

fn bodies(table: &mut SideBySide, expected: &Bytes, actual: &Bytes) {
    let (left, right) = (json(expected), json(actual));
    let before = table.differences();
    if expected == actual || (left.is_some() && left == right) {
        // Two texts of one value are the same, however they are laid out.
        let shown = shown(left.as_ref(), expected);
        table.text("body", &shown, &shown);
        return;
    }
    table.text("body", &shown(left.as_ref(), expected), &shown(right.as_ref(), actual));
    if table.differences() == before {
        table.row("body's bytes", expected.escape_ascii().to_string(), actual.escape_ascii().to_string());
    }
}

#[allow(clippy::disallowed_methods, reason = "the test kit compares bodies as they are")]
fn json(body: &Bytes) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

fn shown(value: Option<&Value>, body: &Bytes) -> String {
    let text = || str::from_utf8(body).map_or_else(|_| body.escape_ascii().to_string(), ToOwned::to_owned);
    value.map_or_else(text, |value| format!("{value:#}"))
}

fn values(headers: &HeaderMap, name: &HeaderName) -> String {
    let all: Vec<_> = headers.get_all(name).iter().map(|value| value.as_bytes().escape_ascii().to_string()).collect();
    if all.is_empty() { "(absent)".to_owned() } else { all.join(", ") }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let course = self.0.course();
        let left: Vec<_> = course.left.iter().map(|one| line(&one.expected)).collect();
        f.debug_struct("Tape").field("left", &left).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Transport for Tape {
    #[expect(clippy::panic, reason = "this is how a test fails")]
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let played = self.0.course().play(&request, self.0.in_order);
        played.unwrap_or_else(|complaint| panic!("{complaint}"))
    }
}
