//! Test service as a transport: it accepts and lists actions, and loses responses on request.
#![allow(dead_code, reason = "each test file uses what it needs of it")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, DefenderClientBuilder, ExternalIds,
    auth::StaticCredential,
    model::ACTIONS,
    transport::{Body, Clock, Error, ErrorKind, Transport, testing::ManualClock},
};
use http::{Method, Request, Response};
use serde_json::{Value, json};

/// Point at which an exchange breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    BeforeSending,
    /// A 429 with a `Retry-After` of 30 s.
    Throttled,
    BeforeTheEffect,
    AfterTheEffect,
    TimeoutAfterTheEffect,
    GatewayBeforeTheEffect,
    GatewayAfterTheEffect,
    InTheBody,
    /// The response never arrives.
    Hanging,
    /// The response arrives ten seconds after the effect.
    BodyLate,
}

/// Behavior on a second action of a type on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    Refused,
    ReturnsFirst,
    Taken,
}

#[derive(Clone, Debug)]
pub(crate) struct Service(Arc<World>);

#[derive(Debug)]
struct World {
    clock: ManualClock,
    state: Mutex<State>,
}

/// `Date` of the responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Date {
    Right,
    Absent,
    /// Seconds ahead of the clock.
    Ahead(i64),
    Year1970,
}

/// Change of each record before a response shows it.
type Spelling = Box<dyn Fn(&mut Value) + Send>;

struct State {
    repeats: Repeats,
    date: Date,
    spelling: Option<Spelling>,
    /// Status and body of each list, instead of the rows.
    list_failure: Option<(u16, Value)>,
    lag: Duration,
    breaks: VecDeque<Break>,
    lists_are_refused: bool,
    /// Time after which an action succeeds by itself.
    takes: Option<Duration>,
    hides_from_lists: bool,
    /// Reads of a single record get 404.
    hides_records: bool,
    /// POSTs that arrived.
    received: usize,
    /// GETs that arrived, with their queries.
    reads: Vec<String>,
    actions: Vec<Action>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("received", &self.received).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Action {
    made: Duration,
    visible: Duration,
    record: Value,
}

impl Action {
    /// Record as a read at `now` shows it.
    fn at(&self, now: Duration, state: &State) -> Value {
        let mut record = self.record.clone();
        if record["status"] == "Pending" && state.takes.is_some_and(|takes| now >= self.made + takes) {
            record["status"] = "Succeeded".into();
        }
        if let Some(spelling) = &state.spelling {
            spelling(&mut record);
        }
        record
    }
}

impl Service {
    pub(crate) fn new(repeats: Repeats) -> Self {
        let state = State {
            repeats,
            date: Date::Right,
            spelling: None,
            list_failure: None,
            lag: Duration::ZERO,
            breaks: VecDeque::new(),
            lists_are_refused: false,
            takes: None,
            hides_from_lists: false,
            hides_records: false,
            received: 0,
            reads: Vec::new(),
            actions: Vec::new(),
        };
        Self(Arc::new(World { clock: ManualClock::new(), state: Mutex::new(state) }))
    }

    pub(crate) fn client(&self) -> DefenderClient {
        self.client_with("token")
    }

    pub(crate) fn client_with(&self, token: &str) -> DefenderClient {
        self.builder(token).build().unwrap()
    }

    /// Client that generates external ids.
    pub(crate) fn client_that_generates(&self) -> DefenderClient {
        self.builder("token").external_ids(ExternalIds::Generated).build().unwrap()
    }

    pub(crate) fn builder(&self, token: &str) -> DefenderClientBuilder {
        DefenderClient::builder()
            .credential(StaticCredential::new(token))
            .transport(self.clone())
            .clock(self.clock().clone())
    }

    pub(crate) fn clock(&self) -> &ManualClock {
        &self.0.clock
    }

    pub(crate) fn breaking(self, at: impl IntoIterator<Item = Break>) -> Self {
        self.state(|state| state.breaks.extend(at));
        self
    }

    pub(crate) fn with_lag(self, lag: Duration) -> Self {
        self.state(|state| state.lag = lag);
        self
    }

    pub(crate) fn with_actions_that_take(self, takes: Duration) -> Self {
        self.state(|state| state.takes = Some(takes));
        self
    }

    pub(crate) fn with_date(self, date: Date) -> Self {
        self.state(|state| state.date = date);
        self
    }

    /// Changes each record before a response shows it.
    pub(crate) fn spelling(self, spelling: impl Fn(&mut Value) + Send + 'static) -> Self {
        self.state(|state| state.spelling = Some(Box::new(spelling)));
        self
    }

    pub(crate) fn failing_lists(self, status: u16, body: Value) -> Self {
        self.state(|state| state.list_failure = Some((status, body)));
        self
    }

    pub(crate) fn stop_failing_lists(&self) {
        self.state(|state| state.list_failure = None);
    }

    pub(crate) fn hiding_from_lists(self) -> Self {
        self.state(|state| state.hides_from_lists = true);
        self
    }

    pub(crate) fn hiding_records(self, hides: bool) -> Self {
        self.state(|state| state.hides_records = hides);
        self
    }

    /// Paths and queries of the GETs that arrived.
    pub(crate) fn reads(&self) -> Vec<String> {
        self.state(|state| state.reads.clone())
    }

    pub(crate) fn refusing_lists(self) -> Self {
        self.state(|state| state.lists_are_refused = true);
        self
    }

    /// Number of POSTs that arrived, and of actions.
    pub(crate) fn ledger(&self) -> (usize, usize) {
        self.state(|state| (state.received, state.actions.len()))
    }

    /// Adds an action of another caller.
    pub(crate) fn foreign(&self, fields: &Value) -> String {
        let now = self.clock().elapsed();
        self.state(|state| self.take(state, fields, now))
    }

    pub(crate) fn end(&self, id: &str, status: &str) {
        let now = self.clock().now().to_string();
        self.state(|state| {
            for action in state.actions.iter_mut().filter(|action| action.record["id"] == id) {
                action.record["status"] = status.into();
                action.record["lastUpdateDateTimeUtc"] = now.clone().into();
            }
        });
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.0.state.lock().unwrap())
    }

    fn take(&self, state: &mut State, fields: &Value, now: Duration) -> String {
        let id = format!("action-{}", state.actions.len() + 1);
        let mut record = json!({
            "id": id,
            "status": "Pending",
            "creationDateTimeUtc": self.clock().now().to_string(),
            "lastUpdateDateTimeUtc": self.clock().now().to_string(),
        });
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        state.actions.push(Action { made: now, visible: now + state.lag, record });
        id
    }

    fn post(&self, path: &str, body: &Value) -> Response<Body> {
        let [machine, segment] = path.split('/').skip(3).collect::<Vec<_>>()[..] else { panic!("{path}") };
        if segment == "cancel" {
            return self.read(machine);
        }
        // An undocumented segment belongs to a type of the same name.
        let listed = ACTIONS.iter().find(|action| action.segment == segment);
        let own = || segment.chars().take(1).flat_map(char::to_uppercase).chain(segment.chars().skip(1)).collect();
        let kind = listed.map_or_else(own, |action| action.action_type.to_owned());
        let scope = ["IsolationType", "ScanType", "Scope"].iter().find_map(|name| body.get(name));
        let fields = json!({
            "machineId": machine,
            "type": kind,
            "requestorComment": body["Comment"],
            "scope": scope,
            "relatedFileInfo": body.get("Sha1").map(|sha1| json!({"fileIdentifier": sha1, "fileIdentifierType": "Sha1"})),
            "requestor": "Contoso Response",
            "externalId": body.get("ExternalId"),
        });
        let now = self.clock().elapsed();
        self.state(|state| {
            let active = state.actions.iter().find(|action| {
                let record = &action.record;
                record["machineId"] == machine && record["type"] == kind && record["status"] == "Pending"
            });
            match (active, state.repeats) {
                (Some(_), Repeats::Refused) => self.response(
                    state.date,
                    400,
                    &json!({"error": {"code": "ActiveRequestAlreadyExists", "message": "Action is already in progress"}}),
                ),
                (Some(first), Repeats::ReturnsFirst) => self.response(state.date, 201, &first.at(now, state)),
                _ => {
                    self.take(state, &fields, now);
                    self.response(state.date, 201, &state.actions.last().unwrap().at(now, state))
                }
            }
        })
    }

    fn list(&self) -> Response<Body> {
        let now = self.clock().elapsed();
        self.state(|state| {
            if state.lists_are_refused {
                return self.response(state.date, 403, &json!({"error": {"code": "Forbidden", "message": "no"}}));
            }
            if let Some((status, body)) = &state.list_failure {
                return self.response(state.date, *status, body);
            }
            if state.hides_from_lists {
                return self.response(state.date, 200, &json!({"value": []}));
            }
            let visible = state.actions.iter().rev().filter(|action| action.visible <= now);
            let rows = visible.map(|action| action.at(now, state)).collect::<Vec<_>>();
            self.response(state.date, 200, &json!({"value": rows}))
        })
    }

    fn read(&self, id: &str) -> Response<Body> {
        let now = self.clock().elapsed();
        self.state(|state| {
            let is_it = |action: &&Action| action.record["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id));
            let shown = state.actions.iter().find(|action| is_it(action) && action.visible <= now);
            let visible = shown.filter(|_| !state.hides_records);
            match visible {
                Some(action) => self.response(state.date, 200, &action.at(now, state)),
                None => {
                    self.response(state.date, 404, &json!({"error": {"code": "ResourceNotFound", "message": "no"}}))
                }
            }
        })
    }

    fn response(&self, date: Date, status: u16, body: &Value) -> Response<Body> {
        let now = self.clock().now();
        let shown = match date {
            Date::Right => Some(now),
            Date::Absent => None,
            Date::Ahead(seconds) => Some(now + jiff::SignedDuration::from_secs(seconds)),
            Date::Year1970 => Some(jiff::Timestamp::UNIX_EPOCH),
        };
        let mut response = Response::builder().status(status);
        if let Some(shown) = shown {
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&shown).unwrap();
            response = response.header("date", date);
        }
        response.body(Body::from(body.to_string())).unwrap()
    }
}

#[async_trait]
impl Transport for Service {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        if request.method() == Method::GET {
            let path = request.uri().path_and_query().unwrap().to_string();
            self.state(|state| state.reads.push(path.clone()));
            return Ok(match path.strip_prefix("/api/machineactions/") {
                Some(id) => self.read(id),
                None => self.list(),
            });
        }
        let at = self.state(|state| state.breaks.pop_front());
        if at == Some(Break::BeforeSending) {
            return Err(Error::new(ErrorKind::Connect));
        }
        self.state(|state| state.received += 1);
        match at {
            Some(Break::Throttled) => {
                let mut response = self.response(Date::Right, 429, &json!({"error": {"code": "TooManyRequests"}}));
                response.headers_mut().insert("retry-after", http::HeaderValue::from_static("30"));
                return Ok(response);
            }
            Some(Break::BeforeTheEffect) => return Err(Error::new(ErrorKind::Interrupted)),
            Some(Break::GatewayBeforeTheEffect) => return Ok(self.response(Date::Right, 502, &json!({}))),
            _ => {}
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let response = self.post(request.uri().path(), &body);
        match at {
            Some(Break::AfterTheEffect) => Err(Error::new(ErrorKind::Interrupted)),
            Some(Break::TimeoutAfterTheEffect) => Err(Error::new(ErrorKind::Timeout)),
            Some(Break::GatewayAfterTheEffect) => Ok(self.response(Date::Right, 504, &json!({}))),
            Some(Break::InTheBody) => Ok(response.map(|_| Body::from(r#"{"id":"acti"#))),
            Some(Break::Hanging) => std::future::pending().await,
            Some(Break::BodyLate) => {
                self.clock().sleep(Duration::from_secs(10)).await;
                Ok(response)
            }
            _ => Ok(response),
        }
    }
}
