//! A transport that responds from a world.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_transport::{Body, Clock, Error, ErrorKind, Transport, testing::ManualClock};
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};

use super::{
    implementation::{machine_action, time},
    service::{By, DateHeader, Effect, Machine, Ms, Reply, Request as RequestContent, SECOND, TypeName},
    world::{Network, World},
};

/// Start of the client of a world, long before the oldest action.
const START: Ms = -100_000 * SECOND;
const HALF_WAY: Ms = SECOND / 2;
const LASTS: Ms = 400 * SECOND;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// Polls `future` as the submission with this number, by which the transport recognizes its POST.
pub(super) async fn as_submission<F: Future>(number: usize, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        CURRENT.set(number);
        future.as_mut().poll(context)
    })
    .await
}

/// The service of a world.
#[derive(Clone, Debug)]
pub(super) struct WorldTransport(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: World,
    /// Time from which on no list can be read.
    lists_fail_from: Ms,
    clock: ManualClock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    effects: Vec<Effect>,
    /// Scheduled events, the latest first.
    to_come: Vec<(Ms, ToCome)>,
    posts: Vec<Post>,
}

#[derive(Clone, Copy, Debug)]
enum ToCome {
    Other(usize),
    Late(usize),
}

/// The POSTs of one submission.
#[derive(Clone, Debug, Default)]
pub(super) struct Post {
    pub(super) sent: Vec<Ms>,
    pub(super) first_effect: Option<Reply>,
    external_id: Option<Value>,
}

impl WorldTransport {
    pub(super) fn new(world: &World, lists_fail_from: Ms) -> Self {
        let clock = ManualClock::at(time(START + world.clock_ahead));
        let mut state = State { posts: vec![Post::default(); world.submissions.len()], ..State::default() };
        for (number, other) in world.others.iter().enumerate() {
            state.schedule(other.at, ToCome::Other(number));
        }
        Self(Arc::new(Shared { world: world.clone(), lists_fail_from, clock, state: Mutex::new(state) }))
    }

    pub(super) fn clock(&self) -> &ManualClock {
        &self.0.clock
    }

    /// Time of the service's records.
    pub(super) fn now(&self) -> Ms {
        START + Ms::try_from(self.clock().elapsed().as_millis()).unwrap()
    }

    pub(super) async fn sleep_until(&self, at: Ms) {
        let time = Duration::from_millis(u64::try_from(at - self.now()).unwrap_or_default());
        self.clock().sleep(time).await;
    }

    /// Final state.
    pub(super) fn effects(&self) -> Vec<Effect> {
        self.state().effects.clone()
    }

    pub(super) fn post(&self, submission: usize) -> Post {
        self.state().posts[submission].clone()
    }

    /// State after all scheduled events up to now.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        let (now, mut state) = (self.now(), self.0.state.lock().unwrap());
        while let Some((at, next)) = state.to_come.pop_if(|(at, _)| *at <= now) {
            match next {
                ToCome::Other(number) => {
                    let other = self.0.world.others[number];
                    self.0.world.service.post(&mut state.effects, at, By::Other, other.request, other.lasts);
                }
                ToCome::Late(submission) => {
                    state.take(&self.0.world, submission, at);
                }
            }
        }
        state
    }

    async fn submit(&self, body: Value) -> Result<Response<Body>, Error> {
        let (submission, sent, world) = (CURRENT.get(), self.now(), &self.0.world);
        let plan = world.submissions[submission];
        let attempt = {
            let mut state = self.state();
            let post = &mut state.posts[submission];
            post.sent.push(sent);
            post.external_id = body.get("ExternalId").cloned();
            post.sent.len() - 1
        };
        assert!(attempt < 2, "submission {submission} of {world:#?} was sent {} times", attempt + 1);
        let network = plan.network[attempt];
        if network == Network::Late && attempt == 0 {
            self.state().schedule(sent + plan.delay, ToCome::Late(submission));
        }
        let mut reply = None;
        if matches!(network, Network::Received | Network::LostAfter) {
            self.sleep_until(sent + HALF_WAY).await;
            let now = self.now();
            reply = Some(self.state().take(world, submission, now));
        }
        self.sleep_until(sent + 2 * HALF_WAY).await;
        match reply.filter(|_| network == Network::Received) {
            Some(Reply::Refused) => {
                let error = json!({"code": "ActiveRequestAlreadyExists", "message": "Action is already in progress"});
                Ok(self.respond(400, &json!({"error": error})))
            }
            Some(Reply::Accepted(id)) => Ok(self.respond(201, &self.record(usize::from(id)))),
            None => {
                self.sleep_until(sent + plan.lost_after).await;
                Err(Error::new(ErrorKind::Interrupted))
            }
        }
    }

    fn record(&self, index: usize) -> Value {
        let state = self.state();
        let effect = state.effects[index];
        let record = self.0.world.service.record(&effect, self.now());
        let mut value = serde_json::to_value(machine_action(self.0.world.kind, &record)).unwrap();
        if let By::Submission(number) = effect.by
            && record.external_id.is_some()
            && record.external_id == effect.request.external_id
        {
            value["externalId"] = state.posts[number].external_id.clone().unwrap_or_default();
        }
        if !record.readable {
            value["id"] = json!({"not": "an id"});
        }
        value
    }

    /// Rows that a filter selects: by machine and type, by creation, or all.
    fn list(&self, query: &str) -> Value {
        let query = query.replace("%20", " ").replace("%27", "'").replace("%3A", ":").replace('+', " ");
        let by_kind = query.contains("machineId eq");
        let since = query.split("creationDateTimeUtc ge ").nth(1).and_then(|rest| rest.split(['&', ' ']).next());
        let since = since.map(|since| since.parse::<Timestamp>().unwrap());
        assert!(by_kind || since.is_some() || !query.contains("filter"), "{query}");
        let now = self.now();
        let is_listed = |effect: &Effect| {
            let is_ours = effect.request.machine == Machine::Ours && effect.request.type_name == TypeName::Ours;
            effect.visible <= now && (is_ours || !by_kind) && since.is_none_or(|since| time(effect.created) >= since)
        };
        let effects = self.effects();
        let rows = effects.iter().filter(|effect| is_listed(effect)).map(|effect| self.record(usize::from(effect.id)));
        json!({"value": rows.collect::<Vec<_>>()})
    }

    fn respond(&self, status: u16, body: &Value) -> Response<Body> {
        let now = time(self.now());
        let date = match self.0.world.service.date {
            DateHeader::Ahead(seconds) => Some(now + SignedDuration::from_secs(seconds.into())),
            DateHeader::Of1970 => Some(Timestamp::UNIX_EPOCH),
            DateHeader::None => None,
        };
        let mut response = Response::builder().status(status).header("content-type", "application/json");
        if let Some(date) = date {
            response = response.header("date", DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap());
        }
        response.body(Body::from(body.to_string())).unwrap()
    }
}

impl State {
    fn schedule(&mut self, at: Ms, what: ToCome) {
        let place = self.to_come.partition_point(|(other, _)| *other > at);
        self.to_come.insert(place, (at, what));
    }

    fn take(&mut self, world: &World, submission: usize, now: Ms) -> Reply {
        let plan = world.submissions[submission];
        let request = RequestContent {
            machine: Machine::Ours,
            type_name: TypeName::Ours,
            scope: plan.scope,
            comment: plan.comment,
            external_id: plan.external_id(submission),
        };
        let reply = world.service.post(&mut self.effects, now, By::Submission(submission), request, LASTS);
        self.posts[submission].first_effect.get_or_insert(reply);
        reply
    }
}

#[async_trait]
impl Transport for WorldTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        if request.method() == Method::POST {
            return self.submit(serde_json::from_slice(request.body()).unwrap()).await;
        }
        let path = request.uri().path();
        Ok(match path.strip_prefix("/api/machineactions/a") {
            Some(id) => self.respond(200, &self.record(id.parse().unwrap())),
            None if self.now() >= self.0.lists_fail_from => {
                self.respond(503, &json!({"error": {"code": "ServiceUnavailable", "message": "later"}}))
            }
            None => self.respond(200, &self.list(request.uri().query().unwrap_or_default())),
        })
    }
}
