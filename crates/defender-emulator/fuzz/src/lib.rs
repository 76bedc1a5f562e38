//! Claims about the emulator that hold for any request. The fuzz target tries them on new requests, and a test of the crate
//! on those that were kept.

use std::{
    collections::BTreeSet,
    fmt::Write,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use defender_emulator::{Effect, Emulator, InOperator, Investigations};
use defender_transport::{Transport, testing::ManualClock};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

/// Requests, one after the other, to one emulator.
///
/// Between two stands a line of `---`. Each is a line with method and path, lines with headers, an empty line, and the body.
/// `{machine}`, `{action}` (the last that was made) and `{tenant}` are put in; a token goes with each, unless it brings an
/// `authorization` of its own. A line `wait` in the place of a request lets a second pass.
pub fn requests(text: &[u8]) {
    let mut world = World::new();
    let text = String::from_utf8_lossy(text);
    for request in text.split("\n---\n").take(12) {
        world.send(request);
    }
    world.check();
}

struct World {
    emulator: Emulator,
    clock: ManualClock,
    token: String,
    action: String,
    /// The number of requests that the ledger must have.
    changes: usize,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let builder = Emulator::builder().clock(Arc::new(clock.clone())).history(9).page_size(4).control_over_http();
        let builder = builder.in_operator(InOperator::Understood).investigations(Investigations::Available);
        let emulator = builder.in_process().expect("the system has random bytes");
        let mut world = Self { emulator, clock, token: String::new(), action: String::new(), changes: 0 };
        let encoded = |text: &str| {
            text.bytes().fold(String::new(), |mut encoded, byte| {
                write!(encoded, "%{byte:02X}").expect("a string takes whatever is written");
                encoded
            })
        };
        let emulator = &world.emulator;
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}%2F.default",
            emulator.client_id(),
            encoded(emulator.client_secret()),
            encoded(emulator.audience())
        );
        let request = Request::post(format!("{}/{}/oauth2/v2.0/token", emulator.authority(), emulator.tenant_id()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form));
        let (_, body) = world.exchange(request.expect("it is a request"));
        body["access_token"].as_str().expect("a good secret gets a token").clone_into(&mut world.token);
        world
    }

    fn send(&mut self, text: &str) {
        if text == "wait" {
            return self.clock.advance(Duration::from_secs(1));
        }
        let machine = self.emulator.machine_ids().first().copied().unwrap_or_default().to_owned();
        let text = text.replace("{machine}", &machine).replace("{action}", &self.action);
        let text = text.replace("{tenant}", self.emulator.tenant_id());
        let Some(request) = self.request(&text) else { return };
        let path = request.uri().path().to_owned();
        let is_api = path.split('/').nth(1).is_some_and(|first| first.eq_ignore_ascii_case("api"));
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        self.changes += usize::from(is_api && changes);
        let (status, body) = self.exchange(request);
        assert!(!status.is_server_error(), "{path}: {status} {body}");
        if let Some(id) = body["id"].as_str().filter(|_| body["requestorComment"].is_string()) {
            id.clone_into(&mut self.action);
        }
    }

    fn request(&self, text: &str) -> Option<Request<Bytes>> {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.split('\n');
        let (method, path) = lines.next()?.split_once(' ')?;
        // A faulty request may wait, or have no response.
        if !path.starts_with('/') || path.starts_with("/emulator/faults") {
            return None;
        }
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.emulator.base_url()));
        let headers = request.headers_mut()?;
        headers.insert("authorization", HeaderValue::try_from(format!("Bearer {}", self.token)).ok()?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for line in lines {
            let (name, value) = line.split_once(':')?;
            let (name, value) = (HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?);
            headers.insert(name, value);
        }
        request.body(Bytes::copy_from_slice(body.as_bytes())).ok()
    }

    /// Checks a response: it comes at once, and is JSON if its type is JSON.
    fn exchange(&self, request: Request<Bytes>) -> (StatusCode, Value) {
        let shown = format!("{} {}", request.method(), request.uri());
        let is_api = !request.uri().path().starts_with("/emulator/");
        let exchange = pin!(async {
            let response = self.emulator.transport().send(request).await.ok()?;
            let (head, body) = response.into_parts();
            Some((head, body.collect(1 << 26).await.ok()?))
        });
        let Poll::Ready(came) = exchange.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("{shown} waits for something");
        };
        let Some((head, body)) = came else { panic!("{shown} has no response") };
        let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") || body.is_empty() {
            return (head.status, Value::Null);
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{shown}: {error}"));
        if (head.status.is_client_error() || head.status.is_server_error()) && is_api {
            assert!(body["error"].is_object() || body["error"].is_string(), "{shown}: {body}");
        }
        (head.status, body)
    }

    /// The ledger, the list and the single reads agree.
    fn check(&self) {
        let ledger = self.emulator.ledger();
        assert_eq!(ledger.len(), self.changes, "each request that may change something is written down once");
        let made: BTreeSet<String> = ledger
            .into_iter()
            .filter_map(|entry| match entry.effect {
                Effect::Created(id) => Some(id),
                _ => None,
            })
            .collect();
        self.clock.advance(Duration::from_secs(60));
        let get = |path: &str| {
            let request = Request::get(format!("{}{path}", self.emulator.base_url()));
            let request = request.header("authorization", format!("Bearer {}", self.token)).body(Bytes::new());
            self.exchange(request.expect("it is a request"))
        };
        let mut listed = BTreeSet::new();
        let mut path = "/api/machineactions".to_owned();
        loop {
            let (status, page) = get(&path);
            if status == StatusCode::TOO_MANY_REQUESTS {
                return; // The quota is used up.
            }
            assert_eq!(status, StatusCode::OK, "{page}");
            for row in page["value"].as_array().expect("a page has rows") {
                listed.insert(row["id"].as_str().expect("an action has an id").to_owned());
            }
            match page["@odata.nextLink"].as_str() {
                Some(link) => link.strip_prefix(self.emulator.base_url()).expect("it is ours").clone_into(&mut path),
                None => break,
            }
        }
        assert_eq!(listed.len(), made.len() + 9, "what was made is listed, and what is from before the start");
        assert!(made.is_subset(&listed));
    }
}
